"""Natural questions over PostgreSQL's manual, because questions that were made from answers favour lexical search."""
