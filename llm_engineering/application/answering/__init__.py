"""Answering: from passages to an answer whose every claim can be looked up."""

from llm_engineering.application.answering.settings import Answering

__all__ = ["Answering"]
