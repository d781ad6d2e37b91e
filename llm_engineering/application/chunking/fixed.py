"""Windows of the same size, wherever they fall."""

from collections.abc import Iterator
from typing import Literal

from pydantic import Field

from llm_engineering.application.chunking import passages
from llm_engineering.application.chunking.passages import Passage
from llm_engineering.application.chunking.sizing import Sizer
from llm_engineering.application.chunking.window import Windowed
from llm_engineering.domain.documents import CleanedDocument
from llm_engineering.domain.errors import UsageError


class Fixed(Windowed):
    """Chunk any text into windows of `max_tokens`, each of which repeats the end of the one before.

    Knows nothing of structure: a baseline to compare the others with. It counts from the start, so an edit changes all
    chunks after it. The context is the title.
    """

    kind: Literal["fixed"] = "fixed"
    overlap: int = Field(32, ge=0, description="tokens that neighbouring chunks share; under half of a window")

    def passages(self, document: CleanedDocument, sizer: Sizer) -> Iterator[Passage]:
        if self.overlap * 2 >= sizer.room:
            raise UsageError(
                f"overlap is {self.overlap} tokens, but a window holds only {sizer.room}; set overlap under "
                f"{-(-sizer.room // 2)}, or raise max_tokens"
            )
        start, covered, end = 0, 0, len(document.text.rstrip())
        while covered < end:
            passage = passages.of_beginning(sizer, start, end, (document.title,))
            if passage.end <= covered:  # the overlap leaves no room for anything new
                start = covered
                continue
            covered = passage.end
            whole = passages.trimmed(sizer, passage)
            if whole is not None:
                yield whole
            start = sizer.back(whole.start if whole else start, covered, self.overlap)
