"""Numbers about the service, in Prometheus' format. Nothing of a question or an answer is in them."""

from llm_engineering.domain.answers import Answer

SECONDS = (0.005, 0.01, 0.02, 0.04, 0.06, 0.1, 0.15, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 120)


class Metrics:
    """The counters of one service, in a registry of its own, so that two can live in one process."""

    def __init__(self) -> None:
        from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram

        self.registry = CollectorRegistry()
        registry, prefix = self.registry, "llm_engineering"
        self._requests = Counter(f"{prefix}_requests", "Requests", ["route", "status"], registry=registry)
        self._seconds = Histogram(
            f"{prefix}_request_seconds", "Time to the end of the reply", ["route"], buckets=SECONDS, registry=registry
        )
        self._shed = Counter(f"{prefix}_shed", "Requests refused to protect the others", ["reason"], registry=registry)
        self._answers = Counter(f"{prefix}_answers", "Answers by outcome", ["outcome"], registry=registry)
        self._tokens = Counter(f"{prefix}_tokens", "Tokens of language models", ["llm", "kind"], registry=registry)
        self._cost = Counter(f"{prefix}_cost_dollars", "Known cost of language models", ["llm"], registry=registry)
        self.in_flight = Gauge(f"{prefix}_in_flight", "Requests that hold a place", ["gate"], registry=registry)
        self.index = Gauge(f"{prefix}_index_info", "The index that is read", ["version", "model"], registry=registry)

    def request(self, route: str, status: int, seconds: float) -> None:
        """Count a request that has ended."""
        self._requests.labels(route, str(status)).inc()
        self._seconds.labels(route).observe(seconds)

    def shed(self, reason: str) -> None:
        """Count a request that was refused to protect the others."""
        self._shed.labels(reason).inc()

    def answer(self, answer: Answer) -> None:
        """Count an answer, its tokens and its cost."""
        self._answers.labels("cached" if answer.cached else answer.outcome).inc()
        if answer.cached or not answer.usage.calls:
            return
        llm = answer.versions.llm
        self._tokens.labels(llm, "input").inc(answer.usage.input_tokens)
        self._tokens.labels(llm, "output").inc(answer.usage.output_tokens)
        self._cost.labels(llm).inc(answer.usage.cost or 0.0)

    def broken(self, reason: str) -> None:
        """Count an answer that did not come about."""
        self._answers.labels(f"broken:{reason[:40]}").inc()

    def text(self) -> bytes:
        """Return all numbers as Prometheus reads them."""
        from prometheus_client import generate_latest

        return generate_latest(self.registry)
