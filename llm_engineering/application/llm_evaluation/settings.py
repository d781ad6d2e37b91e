"""Section `llm_evaluation`: which language models are compared, on what, and how sure a difference has to be."""

from pathlib import Path
from typing import Annotated, ClassVar, Literal, Self, get_args

from pydantic import Field, field_validator, model_validator

from llm_engineering.application.evaluation.settings import EvaluationSettings, Share
from llm_engineering.application.instructions.settings import Gates
from llm_engineering.application.instructions.writing import Asking
from llm_engineering.application.text.stems import Language
from llm_engineering.domain.value import Value

# Measures of which more is better, and which every answer has by itself, in the order of the report.
ContentMetric = Literal[
    "log_likelihood", "rouge_l", "chrf", "similarity", "token_match", "grounded", "support", "verbatim", "quotes",
    "judge", "preferred",
]  # fmt: skip
METRICS: tuple[ContentMetric, ...] = get_args(ContentMetric)
JUDGED: tuple[ContentMetric, ...] = ("judge", "preferred")


class JudgeSettings(Asking):
    """A language model that judges: scores of single answers, and which of two is better, at temperature 0."""

    warmer: ClassVar[float] = 0.0
    max_tokens: int = Field(400, ge=16, le=32_768, description="of a judgement")
    attempts: int = Field(1, ge=1, le=10, description="how often is asked anew where no judgement can be read")
    temperature: float = Field(0.0, ge=0, le=0, description="0, always: a judgement is no matter of chance")
    scores: bool = Field(True, description="grade single answers by the criteria")
    pairs: bool = Field(True, description="compare two models' answers, each pair in both orders")
    repeats: int = Field(2, ge=1, le=4, description="grades of each answer, with the criteria in another order")
    rows: int = Field(50, ge=1, description="rows that are judged, chosen by hash: a larger number adds to them")
    agreement: float = Field(0.667, ge=-1, le=1, description="least alpha from which on its verdicts are trusted")
    score_prompt_file: Path | None = Field(None, description="a template of your own for grades")
    pair_prompt_file: Path | None = Field(None, description="a template of your own for pairs")

    @model_validator(mode="after")
    def _is_asked_something(self) -> Self:
        if not (self.scores or self.pairs):
            raise ValueError("scores: false and pairs: false leave the judge nothing to judge; set one, or judge: null")
        for name, is_used in (("score_prompt_file", self.scores), ("pair_prompt_file", self.pairs)):
            if getattr(self, name) and not is_used:
                raise ValueError(f"{name} is never read with {name.partition('_')[0]}s: false; leave one of them out")
        return self


class LlmEvaluationSettings(Value):
    """Section `llm_evaluation`."""

    name: str = Field("", max_length=100, description="name of the evaluation; empty: that of the data set")
    dataset: str = Field("instructions", min_length=1, description="of kind instruction: NAME or NAME@VERSION")
    models: tuple[Annotated[str, Field(min_length=1)], ...] = Field(
        (),
        description="registry:NAME[@NUMBER], a folder, a name on the hub, or the name of one of `llms`; each is "
        "compared with those before it",
    )
    rows: int | None = Field(200, ge=1, description="held-out rows, chosen by hash; null: all")
    max_tokens: int = Field(256, ge=1, le=32_768, description="of an answer")
    batch: int = Field(8, ge=1, le=1_024, description="answers that a model in this process writes at once")
    concurrency: int = Field(4, ge=1, le=256, description="requests at once to a model behind an address")
    device: Literal["auto", "cpu", "cuda", "mps"] = Field("auto", description="of models in this process")
    gates: Gates = Field(default_factory=Gates, description="`words` and `sentence`: what counts as grounded")
    language: Language = "english"
    compared: tuple[ContentMetric, ...] = Field(
        ("log_likelihood", "chrf", "similarity", "grounded", "judge", "preferred"),
        min_length=1,
        description="measures that comparisons are made on; each one more makes the correction for all stricter",
    )
    judge: JudgeSettings | None = Field(None, description="a language model that judges; null: none")
    shown: int = Field(10, ge=0, le=1_000, description="rows that the report shows with all answers")
    confidence: Share = Field(0.95, description="of the intervals, and of what counts as shown")
    power: Share = Field(0.8, description="chance to show a difference of the size that is called detectable")
    resamples: int = Field(2_000, ge=100, le=100_000, description="bootstrap samples and random signs")
    matters: Share = Field(0.03, description="a difference that would matter; less of it may be called the same")
    fewest: int = Field(30, ge=2, description="clusters of rows that a comparison needs to say anything")
    seed: int = Field(0, ge=0)

    @field_validator("models", "compared")
    @classmethod
    def _are_named_once(cls, names: tuple[str, ...]) -> tuple[str, ...]:
        if twice := sorted({name for name in names if names.count(name) > 1}):
            raise ValueError(f"{twice[0]!r} is named twice; name each one once")
        return names

    @property
    def statistics(self) -> EvaluationSettings:
        """What comparisons go by, in the words of the section `evaluation`."""
        return EvaluationSettings(
            confidence=self.confidence, power=self.power, resamples=self.resamples, matters=self.matters,
            fewest=self.fewest, seed=self.seed,
        )  # fmt: skip
