"""A writer at work on a version: its right to write, and the mark that stays if it dies."""

from dataclasses import replace

from llm_engineering.domain.errors import BackendError, UsageError
from llm_engineering.infrastructure.vector_stores.versioned.books import Books
from llm_engineering.infrastructure.vector_stores.versioned.version import Version
from llm_engineering.infrastructure.vector_stores.versions import Overtaken, no_such_version


class Session:
    """What a writer does before it writes, and when it has written all. Run 0 writes without asking."""

    def __init__(self, books: Books, version: Version, run: int) -> None:
        self.interrupted = version.at_work
        self._books = books
        self._version = version
        self._run = run
        self._begun = False

    def before_writing(self, generation: int) -> None:
        """Leave a mark until the session ends, and refuse to go on if a later run writes or has published."""
        if self._run and self._now().published >= generation:
            raise BackendError(
                f"version {self._version.name!r} of collection {self._books.collection!r} was published by another "
                "process while this one was writing to it. Start a new run: it goes on where this one was"
            )
        if not self._begun and not self._version.at_work:
            self._version = self._books.sign(replace(self._version, at_work=True))
        self._begun = True

    def end(self) -> None:
        """Take the mark away: everything that was written is kept."""
        if self._begun:
            if self._run:
                self._now()  # the mark may be another run's by now
            self._version = self._books.sign(replace(self._version, at_work=False))
            self._begun = False

    def _now(self) -> Version:
        """Ask for the version as it is, and refuse to go on if a later run has begun to write."""
        collection, name = self._books.collection, self._version.name
        now, last = self._books.standing(name)
        if now is None:
            raise UsageError(no_such_version(name, collection, list(self._books.versions())))
        if self._run < last:
            raise Overtaken(self._run, last, collection)
        return now
