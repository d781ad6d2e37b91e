"""A receiver of OTLP over HTTP on the loopback interface, and ways in which one can be away."""

import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest


class Receiver:
    """Decodes the spans that it is sent; `status` and `delay` say how it behaves."""

    def __init__(self, status: int = 200, delay: float = 0.0) -> None:
        self.spans: list[Any] = []
        self.resources: list[dict[str, Any]] = []
        self.headers: list[dict[str, str]] = []
        receiver = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers["Content-Length"]))
                receiver.headers.append({name.lower(): value for name, value in self.headers.items()})
                time.sleep(delay)
                if status == 200:
                    receiver._take(body)
                self.send_response(status)
                self.send_header("Content-Length", "0")
                self.end_headers()

            def log_message(self, *arguments: object) -> None:
                pass

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.server.daemon_threads = True
        self.server.handle_error = lambda request, address: None  # type: ignore[method-assign]
        self.endpoint = f"http://127.0.0.1:{self.server.server_port}/v1/traces"
        self.thread = threading.Thread(target=self.server.serve_forever, kwargs={"poll_interval": 0.01})
        self.thread.start()

    def _take(self, body: bytes) -> None:
        for resource in ExportTraceServiceRequest.FromString(body).resource_spans:
            self.resources.append(attributes(resource.resource))
            for scope in resource.scope_spans:
                self.spans.extend(scope.spans)

    def named(self, name: str) -> Any:
        found = [span for span in self.spans if span.name == name]
        assert len(found) == 1, [span.name for span in self.spans]
        return found[0]

    def close(self) -> None:
        self.server.shutdown()
        self.thread.join()
        self.server.server_close()


def attributes(of: Any) -> dict[str, Any]:
    """Return the attributes of a span or a resource as Python's values."""

    def value(one: Any) -> Any:
        kind = one.WhichOneof("value")
        given = getattr(one, kind)
        return [value(item) for item in given.values] if kind == "array_value" else given

    return {item.key: value(item.value) for item in of.attributes}
