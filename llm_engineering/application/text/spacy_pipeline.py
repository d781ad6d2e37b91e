"""A spaCy pipeline: lemmas, sentences and noun phrases of a text."""

from collections.abc import Iterator
from functools import cache
from importlib.metadata import version
from importlib.util import find_spec
from pathlib import Path
from threading import Lock
from typing import Any

from pydantic import Field

from llm_engineering.application.text.spans import Span, paragraphs
from llm_engineering.application.text.words import terms
from llm_engineering.domain.errors import UsageError
from llm_engineering.domain.extras import require
from llm_engineering.domain.value import Value

_BLANK = "blank:"
_PARAGRAPH = 100_000  # spaCy holds some KB for each word
_LOCK = Lock()  # a pipeline adds to its vocabulary while it reads


class SpacyPipeline(Value):
    """Name a pipeline of spaCy that is installed; `blank:xx` is one of rules and tables alone, without a model."""

    pipeline: str = Field(
        "blank:en", min_length=1, description="an installed package, a folder, or blank:LANGUAGE (rules and tables)"
    )
    phrases: bool = Field(False, description="whether noun phrases are terms, too; needs a pipeline with a parser")

    def check(self, *, lemmas: bool = False, sentences: bool = False) -> None:
        """Refuse a pipeline that cannot do what is asked of it.

        Raises:
            UsageError: the extra, the pipeline or a part of it is not there; says what to type or set.
        """
        pipeline = _open(self.pipeline)
        has = list(pipeline.pipe_names)
        lacks = [
            (lemmas and not {"lemmatizer", "trainable_lemmatizer"} & set(has), "lemmas", "a lemmatizer"),
            (self.phrases and not _has_parser(pipeline), "noun phrases", "a parser"),
            (sentences and not _ends_sentences(pipeline), "sentences", "a parser, senter or sentencizer"),
        ]
        for is_missing, what, component in lacks:
            if is_missing:
                raise UsageError(
                    f"the spaCy pipeline {self.pipeline!r} finds no {what}: it has no {component.removeprefix('a ')} "
                    f"(it has {', '.join(has) or 'no components'}); name one that has {component}, such as "
                    "en_core_web_sm, or ask it for less"
                )

    def identity(self) -> str:
        """Return what decides the outcome: the versions of spaCy and of the pipeline, and its components."""
        pipeline = _open(self.pipeline)
        meta = pipeline.meta
        return f"{version('spacy')} {meta['lang']} {meta['name']} {meta['version']} {' '.join(pipeline.pipe_names)}"

    def terms(self, text: str) -> Iterator[str]:
        """Yield the lemma of each word in lower case, and with `phrases` each noun phrase of several words."""
        document = self._read(text)
        for token in document:
            if token.is_alpha:
                yield (token.lemma_ or token.text).lower()
            elif not token.is_space and not token.is_punct:
                yield from terms(token.text, "none")
        if self.phrases:
            for phrase in document.noun_chunks:
                said = [(token.lemma_ or token.text).lower() for token in phrase if token.is_alpha]
                if len(said) > 1:
                    yield " ".join(said)

    def sentence_spans(self, text: str, start: int = 0, end: int | None = None) -> Iterator[Span]:
        """Yield the span of each sentence in [start, end), without the white space around it."""
        for first, last in paragraphs(text, start, len(text) if end is None else end):
            for low in range(first, last, _PARAGRAPH):
                for sentence in self._read(text[low : min(low + _PARAGRAPH, last)]).sents:
                    said = sentence.text
                    begin = low + sentence.start_char + len(said) - len(said.lstrip())
                    if said.strip():
                        yield Span(begin, begin + len(said.strip()))

    def phrase_spans(self, text: str) -> Iterator[Span]:
        """Yield the text in phrases: the noun phrases, and what stands between them, without punctuation."""
        document = self._read(text)
        opened: list[Any] = []
        inside = {token.i: number for number, phrase in enumerate(document.noun_chunks) for token in phrase}
        for token in document:
            if opened and (token.is_punct or token.is_space or inside.get(token.i) != inside.get(opened[-1].i)):
                yield _span(opened)
                opened = []
            if not (token.is_punct or token.is_space):
                opened.append(token)
        if opened:
            yield _span(opened)

    def _read(self, text: str) -> Any:
        pipeline = _open(self.pipeline)
        # Tables know words in lower case; a model wants to see them as they are written.
        lowered = text.lower() if self.pipeline.startswith(_BLANK) else text
        with _LOCK:
            return pipeline(lowered if len(lowered) == len(text) else text)


def _span(tokens: list[Any]) -> Span:
    return Span(tokens[0].idx, tokens[-1].idx + len(tokens[-1].text))


def _has_parser(pipeline: Any) -> bool:
    return "parser" in pipeline.pipe_names or any(
        "token.dep" in _assigned(pipeline, name) for name in pipeline.pipe_names
    )


def _ends_sentences(pipeline: Any) -> bool:
    known = {"parser", "senter", "sentencizer"} & set(pipeline.pipe_names)
    return bool(known) or any("token.is_sent_start" in _assigned(pipeline, name) for name in pipeline.pipe_names)


def _assigned(pipeline: Any, name: str) -> list[str]:
    return list(pipeline.get_pipe_meta(name).assigns)


@cache
def _open(name: str) -> Any:
    """Load a pipeline, once.

    Raises:
        UsageError: the extra or the pipeline is not installed; says what to type.
    """
    require("spacy", f"the spaCy pipeline {name!r}", "spacy")
    import spacy

    if name.startswith(_BLANK):
        return _blank(name.removeprefix(_BLANK))
    if not Path(name).is_dir() and not spacy.util.is_package(name):
        installed = ", ".join(sorted(spacy.util.get_installed_models())) or "none"
        raise UsageError(
            f"there is no spaCy pipeline {name!r}; installed: {installed}. Type: python -m spacy download {name}, or "
            "write blank:en for one of rules and tables"
        )
    try:
        return spacy.load(name, exclude=["ner"])
    except (OSError, ValueError) as error:
        raise UsageError(f"the spaCy pipeline {name!r} cannot be loaded ({str(error)[:300]})") from error


def _blank(language: str) -> Any:
    import spacy

    try:
        pipeline = spacy.blank(language)
    except ImportError as error:
        raise UsageError(f"spaCy knows no language {language!r}; write a code, such as blank:de") from error
    pipeline.add_pipe("sentencizer")
    if find_spec("spacy_lookups_data") is not None:
        try:
            pipeline.add_pipe("lemmatizer", config={"mode": "lookup"})
            pipeline.initialize()
        except ValueError:  # no table for this language
            pipeline.remove_pipe("lemmatizer")
    return pipeline
