"""Promotion: what a candidate has to prove, and the switch of model and index together."""

from llm_engineering.application.promotion.settings import PromotionSettings

__all__ = ["PromotionSettings"]
