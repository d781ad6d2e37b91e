"""Sections `instructions` and `preferences`: what a language model is to learn."""

from pathlib import Path
from typing import Annotated

from pydantic import Field

from llm_engineering.application.datasets.settings import Duplicates, Share, Shares
from llm_engineering.application.instructions.structure import OtherAnswers, Sections
from llm_engineering.application.instructions.writing import Answering, Comparing, Instructing
from llm_engineering.domain.value import Value

# A new kind of instructions or preferences is a file beside this one and a member of one of these unions.
InstructionKind = Annotated[Sections | Instructing, Field(discriminator="kind")]
PreferenceKind = Annotated[OtherAnswers | Answering | Comparing, Field(discriminator="kind")]


class Apart(Value):
    """From which likeness on a row is taken out because a row of a better kept split is alike.

    It is looser than what makes a near-duplicate: rows that are only similar are not put together, which would chain
    ever more of them into one cluster; the one that was to be learnt from goes. A cosine of null leaves vectors out.
    """

    words: float = Field(0.7, gt=0, le=1, description="share of words that two instructions, answers or passages share")
    cosine: float | None = Field(0.93, gt=0, le=1, description="of the vectors of two instructions, or of two passages")
    paraphrase: float | None = Field(
        0.75, gt=0, le=1, description="of the vectors of two instructions whose passages are near each other as well"
    )
    paraphrase_passage: float = Field(0.6, gt=0, le=1, description="from which cosine on two passages are near")


class Gates(Value):
    """What a data set has to fulfil. Rows that do not are taken out; a set with too many of them is refused."""

    words: float = Field(0.6, ge=0, le=1, description="share of an answer's words that its passage must have")
    sentence: float = Field(0.4, ge=0, le=1, description="the same of each sentence, so that none is invented")
    ungrounded: Share = Field(0.3, description="share of the answers of a model that may fail; more refuse the set")
    absent: Share = Field(
        0.3, description="share of extracts that may be missing in their document; more refuse the set"
    )
    equal: Share = Field(0.3, description="share of pairs whose two answers may be the same; more refuse the set")
    length_bias: float = Field(
        0.8, ge=0.5, le=1, description="how often the longer (or the shorter) answer may be the better one"
    )
    length_rows: int = Field(10, ge=1, description="pairs from which on the length is judged")


class General(Value):
    """A general data set that is mixed in, so that a model does not forget what it could before."""

    file: Path = Field(description="JSONL, CSV or Parquet of instructions with answers")
    share: float = Field(0.2, gt=0, lt=1, description="share of it among the rows to learn from")
    instruction: str = Field("instruction", min_length=1, description="column that holds the instruction")
    answer: str = Field("answer", min_length=1, description="column that holds the answer")
    rejected: str = Field("rejected", min_length=1, description="column of the worse answer, for preferences")


class LanguageSettings(Value):
    """What both sections have in common."""

    seed: int = Field(0, ge=0, description="decides which clusters are held out")
    licence: str = Field("", description="what its card says of the licence")
    users: tuple[str, ...] = Field((), description="who may use it; empty: everybody, or the tenants that are named")
    tenants: tuple[str, ...] | None = Field(
        None, description="tenants whose documents it may hold together; null: those of one; '' is nobody's"
    )
    duplicates: Duplicates = Field(default_factory=Duplicates)
    apart: Apart = Field(default_factory=Apart)
    shares: Shares = Field(default_factory=lambda: Shares(validation=0.1, test=0.1))
    gates: Gates = Field(default_factory=Gates)
    words: int = Field(5, ge=1, description="shorter answers are left out")
    most_words: int = Field(500, ge=1, description="longer answers are left out")
    general: General | None = Field(None, description="a general data set to mix in; null: none")


class InstructionSettings(LanguageSettings):
    """Section `instructions`."""

    name: str = Field("instructions", pattern=r"^[A-Za-z0-9][A-Za-z0-9_.-]{0,62}$", description="name of the data set")
    pairs: tuple[InstructionKind, ...] = Field((Sections(),), min_length=1, description="where instructions come from")


class PreferenceSettings(LanguageSettings):
    """Section `preferences`."""

    name: str = Field("preferences", pattern=r"^[A-Za-z0-9][A-Za-z0-9_.-]{0,62}$", description="name of the data set")
    pairs: tuple[PreferenceKind, ...] = Field((OtherAnswers(),), min_length=1, description="where pairs come from")
