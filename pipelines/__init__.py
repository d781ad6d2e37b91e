"""ZenML pipelines: only order. What the steps do is in `llm_engineering.stages`."""
