"""Registries: where versions of models are kept."""
