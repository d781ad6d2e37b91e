"""What the YAML says of near-duplicates, and what two documents are compared by."""

import re
from typing import TYPE_CHECKING, Literal

from pydantic import Field

from llm_engineering.application.datasets.likeness import key_of, mixed
from llm_engineering.domain.access import TENANT
from llm_engineering.domain.documents import Document
from llm_engineering.domain.value import Value

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    Keys = NDArray[np.uint64]

# Scripts without blanks between words: each sign counts as a word.
_SIGNS = re.compile("([\u0e00-\u0eff\u1000-\u109f\u1780-\u17ff\u3040-\u30ff\u3400-\u4dbf\u4e00-\u9fff])")
_WORD = re.compile(r"\w+")


class NearDuplicates(Value):
    """Section `duplicates`: what becomes of documents that nearly repeat another one."""

    action: Literal["off", "report", "keep_first"] = Field(
        "report",
        description="report = count and list them, keep_first = index only the first of each, off = do not look",
    )
    threshold: float = Field(
        0.9, ge=0.5, le=1, description="share of word sequences (Jaccard) that two documents must have in common"
    )
    shingle: int = Field(5, ge=1, le=20, description="words in a sequence")
    within: tuple[str, ...] = Field(
        (),
        description="metadata, or `source`, that near-duplicates must have in common, for example [course]; the tenant "
        "always is",
    )

    @property
    def leaves_out(self) -> bool:
        """Whether documents are left out of the index, so that these settings are part of what it is made of."""
        return self.action == "keep_first"

    def keys(self, document: Document) -> "Keys":
        """Return the distinct word sequences of a document's title and text, as ascending hashes of 64 bits.

        A document of fewer words is one sequence; one without words has none.
        """
        import numpy as np

        text = f"{document.title}\n{document.text}".casefold()
        words = _WORD.findall(text if text.isascii() else _SIGNS.sub(r" \1 ", text))
        hashes = np.array([key_of(word) for word in words], dtype=np.uint64)
        width = min(self.shingle, len(hashes))
        if not width:
            return hashes
        rows = len(hashes) - width + 1
        rolled = np.zeros(rows, dtype=np.uint64)
        for place in range(width):
            rolled = mixed(rolled ^ hashes[place : place + rows])
        return np.unique(rolled)

    def group(self, document: Document) -> int:
        """Return a hash of what near-duplicates have in common beside their texts."""
        facts = {"source": document.source, **document.metadata}
        return key_of(repr([(name, facts.get(name)) for name in (TENANT, *self.within)]))
