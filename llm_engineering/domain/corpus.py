"""What is known of a corpus as a whole: its sources, lengths, repetitions, languages, and how fast it was made."""

from pydantic import Field

from llm_engineering.domain.value import Value


class NearDuplicate(Value):
    """A document that nearly repeats another one. `similarity` is the share of word sequences that both have."""

    uri: str
    source: str
    kept_uri: str
    kept_source: str
    similarity: float


class DuplicatesReport(Value):
    """Near-duplicates among the documents of an index.

    `documents` were compared, `duplicates` of them nearly repeat one of the others, of which there are `repeated`;
    `left_out` of them are not indexed. `examples` are the first ones.
    """

    action: str = "off"
    threshold: float = 0.0
    documents: int = 0
    duplicates: int = 0
    repeated: int = 0
    left_out: int = 0
    examples: tuple[NearDuplicate, ...] = ()

    def __str__(self) -> str:
        done = f"{self.left_out} of them left out" if self.action == "keep_first" else "all of them indexed"
        return (
            f"near-duplicates: {self.duplicates} of {self.documents} documents repeat one of {self.repeated} others to "
            f"{self.threshold:.0%} or more, {done}"
        )


class RepeatedLine(Value):
    """A line that stands in many documents of a source: in `documents` of those looked at, for example in `uri`."""

    source: str
    uri: str
    text: str
    documents: int
    characters: int


class BoilerplateReport(Value):
    """How much of a source's text, as it is after cleaning, is lines that many of its documents have.

    `documents` were looked at; `repeated` of their `characters` stand in such lines.
    """

    source: str
    documents: int = 0
    characters: int = 0
    repeated: int = 0
    lines: tuple[RepeatedLine, ...] = ()

    @property
    def share(self) -> float:
        """The share of the text that repeats, between 0 and 1."""
        return self.repeated / self.characters if self.characters else 0.0


class StepRate(Value):
    """What a step of a run worked through, and how long that took.

    `reused` says that its output came from an earlier run, which took that long.
    """

    step: str
    seconds: float = 0.0
    documents: int = 0
    chunks: int = 0
    tokens: int = 0
    reused: bool = False

    def per_second(self, count: int) -> float:
        """Return how many of what was counted were done in a second; 0 where it was too quick to tell."""
        return count / self.seconds if self.seconds > 0 else 0.0


class LengthBin(Value):
    """How many chunks have `low` to `high` tokens, both included."""

    low: int
    high: int
    chunks: int


class Count(Value):
    """How many there are of something that has a name."""

    name: str
    count: int


class CorpusReport(Value):
    """What an index version holds. `sampled` of its `chunks` were looked at: all of them, or those of the lowest ids.

    `window` is what the model reads at most, in tokens, like the lengths; `longest` is the longest chunk looked at.
    """

    collection: str = ""
    version: str = ""
    documents: int = 0
    chunks: int = 0
    sampled: int = 0
    window: int = 0
    longest: int = 0
    lengths: tuple[LengthBin, ...] = ()
    sources: tuple[Count, ...] = ()
    languages: tuple[Count, ...] = ()
    duplicates: DuplicatesReport | None = None
    boilerplate: tuple[BoilerplateReport, ...] = ()


class SourcePoints(Value):
    """Where the chunks of a source lie on the map: x and y in turn, each between 0 and 1000."""

    source: str
    points: tuple[int, ...] = ()


class CorpusMap(Value):
    """A picture of the embeddings: their two principal components, and the share of the variance that these have."""

    sources: tuple[SourcePoints, ...] = ()
    explained: tuple[float, float] = (0.0, 0.0)


class Corpus(Value):
    """A report with its map, as they are kept for the next run that finds nothing changed. `key` says of what."""

    key: str = ""
    report: CorpusReport = Field(default_factory=CorpusReport)
    map: CorpusMap = Field(default_factory=CorpusMap)
