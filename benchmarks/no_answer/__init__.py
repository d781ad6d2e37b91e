"""Questions without an answer: how many are refused, and how many that have one are refused with them."""
