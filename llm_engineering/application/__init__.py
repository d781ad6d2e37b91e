"""Verbs: use-cases in plain Python over the ports. No vendor, no orchestrator, no network."""
