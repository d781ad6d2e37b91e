"""The spans of one answer, in the names that viewers know: OpenInference's, and OpenTelemetry's for generative AI."""

import hashlib
import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field

from opentelemetry.context import Context
from opentelemetry.trace import Span, Status, StatusCode, Tracer, set_span_in_context

from llm_engineering.domain.answers import Answer, Question
from llm_engineering.domain.queries import Hit, Retrieved, StageTrace
from llm_engineering.domain.secrets import redact
from llm_engineering.infrastructure.observability.tracing import Content

Attributes = dict[str, str | int | float | bool | Sequence[str]]

KIND = "openinference.span.kind"
_SECOND = 1_000_000_000
# Stages that viewers draw with a sign of their own, by a word in their name.
_KINDS = {"rerank": "RERANKER", "embed": "EMBEDDING", "dense": "RETRIEVER", "sparse": "RETRIEVER", "guard": "GUARDRAIL"}
# Under these names `Answer.seconds` holds the time of the model, and the times that retrieval reports itself.
_OF_THE_MODEL = ("llm", "generation")
_OF_RETRIEVAL = ("search", "retrieval")


@dataclass
class Observed:
    """What was seen of an answer from outside; times are nanoseconds since 1970, 0: it did not come to that."""

    question: Question
    session: str = ""
    began: int = 0
    found: int = 0
    first_piece: int = 0
    ended: int = 0
    answer_id: str = ""
    retrieved: Retrieved | None = None
    answer: Answer | None = None
    error: str = ""
    detail: str = ""
    last: bool = False


@dataclass(frozen=True)
class _Texts:
    """Questions, answers and passages as attributes, as far as they may be said."""

    content: Content

    def of(self, name: str, text: str, mime: str = "") -> Attributes:
        if self.content == "none" or not text:
            return {}
        if self.content == "hashes":
            return {name: f"sha256:{hashlib.sha256(text.encode(errors='replace')).hexdigest()}"}
        said: Attributes = {name: redact(text).encode(errors="replace").decode()}
        return said | ({name.replace(".value", ".mime_type"): mime} if mime else {})

    def details(self, detail: Mapping[str, str | int | float | bool]) -> Attributes:
        """Return a stage's details. Those that are texts may repeat the question."""
        said: Attributes = {}
        for key, value in detail.items():
            name = f"llm_engineering.{key}"
            said |= self.of(name, value) if isinstance(value, str) else {name: value}
        return said


@dataclass(frozen=True)
class _Trace:
    tracer: Tracer
    context: Context = field(default_factory=Context)

    def span(self, name: str, start: int, end: int, attributes: Attributes) -> "_Trace":
        """Make a span that has ended, and return the trace below it."""
        span = self.open(name, start, attributes)
        span.end(max(start, end))
        return _Trace(self.tracer, set_span_in_context(span, self.context))

    def open(self, name: str, start: int, attributes: Attributes) -> Span:
        return self.tracer.start_span(name, context=self.context, attributes=attributes, start_time=start)


def record(tracer: Tracer, seen: Observed, content: Content) -> None:
    """Make the spans of an answer: `answer`, and under it retrieval with its stages, the prompt, the model."""
    texts = _Texts(content)
    root = _Trace(tracer).open("answer", seen.began, _of_answer(seen, texts))
    if seen.error:
        root.set_attribute("error.type", seen.error)
        root.set_status(Status(StatusCode.ERROR, redact(seen.detail) if content == "full" else seen.error))
    else:
        root.set_status(Status(StatusCode.OK))
    if root.is_recording():
        below = _Trace(tracer, set_span_in_context(root, Context()))
        if seen.retrieved:
            _retrieval(below, seen, seen.retrieved, texts)
        if seen.answer:
            _answering(below, seen, seen.answer, texts)
    root.end(seen.ended)


def _of_answer(seen: Observed, texts: _Texts) -> Attributes:
    said: Attributes = {KIND: "CHAIN", "llm_engineering.answer_id": seen.answer_id}
    said |= texts.of("input.value", seen.question.text, "text/plain")
    if seen.session:
        said |= {"session.id": seen.session, "gen_ai.conversation.id": seen.session}
    if answer := seen.answer:
        said |= texts.of("output.value", answer.text, "text/plain")
        said |= {f"llm_engineering.version.{name}": value for name, value in answer.versions if value}
        said |= {
            "llm_engineering.outcome": answer.outcome,
            "llm_engineering.cached": answer.cached,
            "llm_engineering.citations": len(answer.citations),
        }
        said |= {"llm_engineering.flags": list(answer.flags), "tag.tags": list(answer.flags)} if answer.flags else {}
        said |= {} if answer.confidence is None else {"llm_engineering.confidence": answer.confidence}
        said["metadata"] = json.dumps({"outcome": answer.outcome, **answer.versions.model_dump(exclude_defaults=True)})
    return said


def _retrieval(trace: _Trace, seen: Observed, retrieved: Retrieved, texts: _Texts) -> None:
    """The stages ran one after the other, and ended when the hits were shown."""
    lasted = sum(int(stage.seconds * _SECOND) for stage in retrieved.stages)
    start = max(seen.began, seen.found - lasted)
    said: Attributes = {KIND: "RETRIEVER", "llm_engineering.answerable": retrieved.answerable}
    said |= texts.of("input.value", retrieved.query, "text/plain")
    said |= {"llm_engineering.version.index": retrieved.version} if retrieved.version else {}
    said |= {} if retrieved.confidence is None else {"llm_engineering.confidence": retrieved.confidence}
    for place, hit in enumerate(retrieved.hits):
        said |= _document(f"retrieval.documents.{place}.document", hit, texts)
    below = trace.span("retrieval", start, seen.found, said)
    for stage in retrieved.stages:
        end = min(start + int(stage.seconds * _SECOND), seen.found)
        below.span(stage.stage, start, end, _of_stage(stage, texts))
        start = end


def _document(name: str, hit: Hit, texts: _Texts) -> Attributes:
    said: Attributes = {f"{name}.id": hit.chunk_id, f"{name}.score": float(hit.score)}
    said |= texts.of(f"{name}.content", hit.text)
    place = {"document_id": hit.document_id, "start": hit.start, "end": hit.end}
    shown = {"uri": redact(hit.uri), "title": redact(hit.title), "source": hit.source}
    said[f"{name}.metadata"] = json.dumps(place | (shown if texts.content == "full" else {}))
    return said


def _of_stage(stage: StageTrace, texts: _Texts) -> Attributes:
    kind = next((kind for word, kind in _KINDS.items() if word in stage.stage.lower()), "CHAIN")
    given: Attributes = {KIND: kind, "llm_engineering.given": stage.given, "llm_engineering.left": stage.left}
    return given | texts.details(stage.detail)


def _answering(trace: _Trace, seen: Observed, answer: Answer, texts: _Texts) -> None:
    """What came before the search begins with the answer; what came after it, when the hits were shown."""
    asked = bool(answer.usage.calls or (answer.versions.llm and answer.versions.llm != "extractive"))
    timed = False
    for name, start, end in _times(seen, answer):
        if name in _OF_THE_MODEL and asked:
            timed = True
            _model(trace, seen, answer, texts, start, end)
        else:
            prompt = name == "prompt" and answer.versions.prompt_hash
            # The stage that chooses quotes is called as the whole is.
            name = "quotes" if name == "answer" else name
            trace.span(name, start, end, _of_prompt(answer) if prompt else {KIND: "CHAIN"})
    if asked and not timed:
        _model(trace, seen, answer, texts, seen.found or seen.began, seen.ended)


def _times(seen: Observed, answer: Answer) -> Iterator[tuple[str, int, int]]:
    """Yield the stages of the answer that are no stages of its retrieval, each with its begin and end."""
    known = {stage.stage for stage in seen.retrieved.stages} if seen.retrieved else set()
    at = seen.began if "search" in answer.seconds else seen.found or seen.began
    for name, lasted in answer.seconds.items():
        if name in _OF_RETRIEVAL:
            at = seen.found or at
        elif name not in known:
            end = min(at + int(lasted * _SECOND), seen.ended)
            yield name, at, end
            at = end


def _model(trace: _Trace, seen: Observed, answer: Answer, texts: _Texts, start: int, end: int) -> None:
    trace.span(f"chat {answer.versions.llm}".strip(), start, end, _of_model(seen, answer, texts))


def _of_prompt(answer: Answer) -> Attributes:
    said: Attributes = {KIND: "PROMPT", "llm_engineering.prompt_hash": answer.versions.prompt_hash}
    said["llm.prompt_template.version"] = answer.versions.prompt
    said["llm_engineering.prompt_tokens"] = answer.usage.input_tokens
    return said


def _of_model(seen: Observed, answer: Answer, texts: _Texts) -> Attributes:
    usage, model = answer.usage, answer.versions.llm
    said: Attributes = {
        KIND: "LLM",
        "gen_ai.operation.name": "chat",
        "gen_ai.request.model": model,
        "gen_ai.response.model": model,
        "gen_ai.usage.input_tokens": usage.input_tokens,
        "gen_ai.usage.output_tokens": usage.output_tokens,
        "llm.model_name": model,
        "llm.token_count.prompt": usage.input_tokens,
        "llm.token_count.completion": usage.output_tokens,
        "llm.token_count.total": usage.input_tokens + usage.output_tokens,
        "llm_engineering.calls": usage.calls,
        "llm_engineering.cached": answer.cached,
    }
    if usage.cost is not None:
        said |= {"llm.cost.total": usage.cost}
    if seen.first_piece:
        said["gen_ai.response.time_to_first_chunk"] = (seen.first_piece - (seen.found or seen.began)) / _SECOND
    return said | texts.of("output.value", answer.text, "text/plain")
