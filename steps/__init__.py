"""ZenML steps: each wraps one stage of `llm_engineering.stages`, so that it is seen, cached and orchestrated."""
