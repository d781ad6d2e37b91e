"""Instructions and preferences for language models, made from the corpus: drafts, gates, splits."""

from llm_engineering.application.instructions.settings import InstructionSettings, PreferenceSettings

__all__ = ["InstructionSettings", "PreferenceSettings"]
