"""Section `promotion`: which model is to serve, and what it has to prove before."""

from typing import Literal, Self

from pydantic import Field, field_validator, model_validator

from llm_engineering.application.evaluation.settings import split_name
from llm_engineering.application.llm_evaluation.settings import ContentMetric
from llm_engineering.domain.value import Value

# What language models are judged by, by the kind of the data set.
LANGUAGE_METRICS = {"instruction": "log_likelihood", "preference": "preference"}


class ContentGate(Value):
    """What a language model has to prove by what it answers, beside how likely it finds the held-out answers.

    The newest kept evaluation (`run-llm-evaluation-pipeline`) that has the candidate and what it is to follow decides.
    """

    dataset: str = Field("", description="data set of instructions: NAME or NAME@VERSION; empty: promotion.dataset")
    better: tuple[ContentMetric, ...] = Field((), description="measures on which it has to be better, shown")
    not_worse: tuple[ContentMetric, ...] = Field(
        ("chrf", "similarity", "grounded"), description="measures on which it must not be worse, shown"
    )

    @model_validator(mode="after")
    def _asks_for_something(self) -> Self:
        if not self.metrics:
            raise ValueError("name a measure in `better` or in `not_worse`, for example better: [judge]")
        return self

    @property
    def metrics(self) -> tuple[ContentMetric, ...]:
        """All measures that are compared."""
        return tuple(dict.fromkeys([*self.better, *self.not_worse]))


class PromotionSettings(Value):
    """Section `promotion`."""

    model: str = Field(
        "",
        pattern=r"^([A-Za-z0-9][A-Za-z0-9_.-]{0,62}(@([1-9][0-9]{0,8}|staging|archived))?)?$",
        description="candidate: NAME (its newest version), NAME@NUMBER or NAME@staging",
    )
    dataset: str = Field(
        "", description="data set whose held-out questions judge: NAME or NAME@VERSION; empty: that of the candidate"
    )
    metric: str = Field(
        "ndcg@10",
        description="the metric on which a candidate has to be better, shown; a language model's is log_likelihood (of "
        "the answers of instructions) or preference (of the better answer), by its data set",
    )
    max_general_loss: float | None = Field(
        0.02, ge=0, le=1, description="how much nDCG@10 on the general questions may fall; null: it is not asked at all"
    )

    bar: Literal["trigrams", "untrained"] = Field(
        "trigrams",
        description="what a pretrained model has to be better than while none of its name is in production: counts of "
        "three tokens in the same texts, or a model that has learnt nothing",
    )
    content: ContentGate | None = Field(
        None, description="what a language model has to prove by its answers; null: its answers are not looked at"
    )

    @field_validator("metric")
    @classmethod
    def _is_a_metric(cls, name: str) -> str:
        if name not in LANGUAGE_METRICS.values():
            split_name(name)
        return name
