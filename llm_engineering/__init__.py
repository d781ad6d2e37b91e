"""From raw documents to an LLM system you can trust: feature, training and inference pipelines."""
