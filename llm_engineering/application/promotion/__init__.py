"""Promotion: what a candidate has to prove, and the switch of model and index together."""

from llm_engineering.application.promotion.asking import answers_of, asked
from llm_engineering.application.promotion.gates import BEFOREHAND, WITH_WEIGHTS, Case, judge
from llm_engineering.application.promotion.leaks import leaks
from llm_engineering.application.promotion.settings import LANGUAGE_METRICS, PromotionSettings
from llm_engineering.application.promotion.switching import needed_versions, promotion_of, settle, switch, way_back

__all__ = [
    "BEFOREHAND",
    "LANGUAGE_METRICS",
    "WITH_WEIGHTS",
    "Case",
    "PromotionSettings",
    "answers_of",
    "asked",
    "judge",
    "leaks",
    "needed_versions",
    "promotion_of",
    "settle",
    "switch",
    "way_back",
]
