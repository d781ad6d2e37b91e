"""Send spans to a viewer over OTLP/HTTP, from a thread of its own, and lose them rather than wait for it."""

import logging
import time
from collections.abc import Sequence

from loguru import logger
from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import ReadableSpan, TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor, SpanExporter, SpanExportResult
from opentelemetry.sdk.trace.sampling import ALWAYS_ON, TraceIdRatioBased

from llm_engineering.domain.secrets import redact
from llm_engineering.infrastructure.environment import filled
from llm_engineering.infrastructure.observability.tracing import Tracing

# Seconds for one batch of spans, its repetitions included, and for all that are left at the end.
SEND_SECONDS, END_SECONDS = 5.0, 5.0
# Spans that wait for a viewer. What comes when there are so many is lost, and memory stays flat.
MOST_WAITING = 4_096


class PatientExporter(SpanExporter):
    """Hands spans on. A viewer that is away is mentioned once, until it is back."""

    def __init__(self, inner: SpanExporter, endpoint: str) -> None:
        self._inner = inner
        self._endpoint = redact(endpoint)
        self._away = False
        self._until = float("inf")
        self.lost = 0

    def export(self, spans: Sequence[ReadableSpan]) -> SpanExportResult:
        reason = "it does not answer, or refuses them"
        result = SpanExportResult.FAILURE
        if time.monotonic() < self._until:
            try:
                result = self._inner.export(spans)
            except Exception as error:  # noqa: BLE001 - whatever a viewer does, no answer may suffer
                reason = f"{type(error).__name__}: {error}"
        if result is SpanExportResult.FAILURE:
            self.lost += len(spans)
            if not self._away:
                logger.warning("traces do not reach {}: {}; answers go on without them", self._endpoint, redact(reason))
        self._away = result is SpanExportResult.FAILURE
        return result

    def end_within(self, seconds: float) -> None:
        """Begin no more calls after so many seconds."""
        self._until = time.monotonic() + seconds

    def shutdown(self) -> None:
        self._inner.shutdown()

    def force_flush(self, timeout_millis: int = 30_000) -> bool:
        return self._inner.force_flush(timeout_millis)


class Provider:
    """Makes spans. It is never the process's global provider: ZenML has that one."""

    def __init__(self, exporter: PatientExporter, sample: float, project: str) -> None:
        # Phoenix and others sort traces by the project that the resource names.
        names = {"service.name": project, "openinference.project.name": project}
        sampler = ALWAYS_ON if sample >= 1 else TraceIdRatioBased(sample)
        self._provider = TracerProvider(sampler=sampler, resource=Resource(names), shutdown_on_exit=False)
        self._provider.add_span_processor(
            BatchSpanProcessor(exporter, max_queue_size=MOST_WAITING, schedule_delay_millis=1_000)
        )
        self._exporter = exporter
        self.tracer = self._provider.get_tracer("llm_engineering")

    def close(self) -> None:
        """Send what is left, for a few seconds at most. It can be repeated."""
        self._exporter.end_within(END_SECONDS)
        self._provider.shutdown()
        if self._exporter.lost:
            logger.warning("{} spans were lost, because the viewer was away", self._exporter.lost)
            self._exporter.lost = 0


def open_provider(tracing: Tracing) -> Provider:
    """Open the way to the viewer. Nothing is sent before the first answer.

    Raises:
        UsageError: an environment variable that a header refers to is not set.
    """
    headers = {name: filled(value) for name, value in tracing.headers.items()}
    # It reports each repetition; `PatientExporter` reports the first and counts the rest.
    logging.getLogger(OTLPSpanExporter.__module__).setLevel(logging.CRITICAL)
    inner = OTLPSpanExporter(endpoint=tracing.endpoint, headers=headers, timeout=SEND_SECONDS)
    return Provider(PatientExporter(inner, tracing.endpoint), tracing.sample, tracing.project)
