"""The guard of every connection to an address that a user's data named: who may be spoken to, and at which port."""

from llm_engineering.infrastructure.network.guard import Guard, Resolver

__all__ = ["Guard", "Resolver"]
