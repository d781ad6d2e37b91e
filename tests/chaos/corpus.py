"""Documents that say which revision they are, so that a mixture of two can be seen."""

import random
from dataclasses import dataclass
from pathlib import Path

WORDS = [f"word{number}" for number in range(300)]


@dataclass(frozen=True)
class Corpus:
    """A folder of Markdown files; each has `parts` paragraphs, and each paragraph becomes one chunk."""

    folder: Path
    parts: int = 7

    def write(self, number: int, revision: int = 0) -> None:
        """Write one document. Odd revisions keep their even paragraphs, so that a change keeps some chunks."""
        self.folder.mkdir(parents=True, exist_ok=True)
        paragraphs = [self._paragraph(number, part, revision) for part in range(self.parts - revision % 3)]
        (self.folder / f"{number:04}.md").write_text("\n\n".join(paragraphs) + "\n")

    def write_all(self, count: int) -> None:
        """Write the first state of the corpus."""
        for number in range(count):
            self.write(number)

    def edit(self, adds: int, changes: int, deletes: int) -> None:
        """Turn the first state into the second: the first documents change, the last ones go, new ones come."""
        there = sorted(self.folder.iterdir())
        for number in range(changes):
            self.write(number, revision=1)
        for path in there[len(there) - deletes :]:
            path.unlink()
        for number in range(len(there), len(there) + adds):
            self.write(number)

    def _paragraph(self, number: int, part: int, revision: int) -> str:
        shown = 0 if part % 2 == 0 else revision
        words = random.Random(f"{number} {part} {shown}").choices(WORDS, k=20)
        return f"Document {number} part {part} revision {shown}: {' '.join(words)}."
