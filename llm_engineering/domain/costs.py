"""What a run will cost before it is paid."""

from llm_engineering.domain.counting import counted
from llm_engineering.domain.value import Value


class EmbeddingRate(Value):
    """How fast a model embedded in earlier runs: `seconds` for `tokens`, after `opening` seconds of loading it.

    `runs` is how many earlier runs that was measured over; 0 means that it is a guess.
    """

    tokens: int
    seconds: float
    opening: float = 0.0
    runs: int = 0

    def seconds_for(self, tokens: int) -> float:
        """Return how long a number of tokens will take, the loading of the model included; nothing takes no time."""
        return self.opening + self.seconds * tokens / self.tokens if tokens else 0.0

    @property
    def basis(self) -> str:
        """Where the rate comes from, in words."""
        speed = f"{self.tokens / max(self.seconds, 1e-9):,.0f} tokens a second"
        if not self.runs:
            return f"a guess, {speed}: no run with this model was measured here yet"
        return f"{speed}, measured over {self.runs} earlier {'run' if self.runs == 1 else 'runs'} with this model"


# What a small model does on a few CPU cores. It is only ever used with the word "guess".
GUESS = EmbeddingRate(tokens=5_000, seconds=1.0, opening=10.0)


class Cost(Value):
    """What has to be made for new and changed documents, and about how long it takes.

    `to_embed` counts texts that have no vector of this model yet, `tokens_to_embed` their tokens. `note` says what the
    figures do not cover.
    """

    documents: int = 0
    chunks: int = 0
    tokens: int = 0
    to_embed: int = 0
    tokens_to_embed: int = 0
    minutes: float = 0.0
    basis: str = ""
    note: str = ""

    def __str__(self) -> str:
        made = (
            f"{counted(self.documents, 'document')}, {counted(self.chunks, 'chunk')}, {counted(self.tokens, 'token')}; "
            f"{self.to_embed:,} to embed"
        )
        time = f", about {self.minutes:.1f} minutes ({self.basis})" if self.to_embed else ""
        return f"{made}{time}{f'. {self.note}' if self.note else ''}"
