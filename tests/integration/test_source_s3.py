"""Objects over S3's own protocol, spoken by moto's server; left out where s3fs or moto is missing."""

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from llm_engineering.domain.documents import Document, NotModified
from llm_engineering.domain.errors import SourceError
from llm_engineering.infrastructure.fetching import Fetching
from llm_engineering.infrastructure.sources import Objects, SourceContext

pytestmark = [
    pytest.mark.slow,
    # The libraries of the cloud warn of their own futures and leave connections open; this is no test of theirs.
    pytest.mark.filterwarnings("ignore"),
]


@pytest.fixture
def endpoint(monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    pytest.importorskip("s3fs", reason="needs the extra 's3'; type: poetry install --extras s3")
    server_module = pytest.importorskip(
        "moto.server", reason="needs a stand-in for S3; type: pip install 'moto[server]'"
    )
    for name, value in {"S3_KEY": "a-key-of-ann", "S3_SECRET": "hunter2xyz", "AWS_DEFAULT_REGION": "us-east-1"}.items():
        monkeypatch.setenv(name, value)
    server = server_module.ThreadedMotoServer(ip_address="127.0.0.1", port=0)
    server.start()
    host, port = server.get_host_and_port()
    yield f"http://{host}:{port}"
    server.stop()


def bucket(endpoint: str) -> Any:
    import s3fs

    store = s3fs.S3FileSystem(key="a-key-of-ann", secret="hunter2xyz", client_kwargs={"endpoint_url": endpoint})
    store.mkdir("reports")
    store.pipe({"reports/2024/cod.md": b"# Cod", "reports/2024/in/eel.txt": b"Eel", "reports/20240/no.md": b"# No"})
    return store


def test_a_bucket_is_read_below_its_prefix_and_only_what_changed_is_fetched(endpoint: str, tmp_path: Path) -> None:
    store = bucket(endpoint)
    options = {"key": "${env:S3_KEY}", "secret": "${env:S3_SECRET}", "endpoint_url": endpoint}
    spec = Objects(url="s3://reports/2024", options=options)
    context = SourceContext(tmp_path, Fetching(private_hosts=("127.0.0.1",)))
    first = [item for item in spec.open(context).read() if isinstance(item, Document)]
    assert [item.uri for item in first] == ["s3://reports/2024/cod.md", "s3://reports/2024/in/eel.txt"]
    store.pipe("reports/2024/cod.md", b"# Cod, changed")
    stored = {item.id: item.provenance for item in first}
    second = list(spec.open(replace(context, known=stored.get)).read())
    assert [type(item) for item in second] == [Document, NotModified]
    with pytest.raises(SourceError, match="s3://none/x does not exist"):
        list(Objects(url="s3://none/x", options=options).open(context).read())
    with pytest.raises(SourceError, match="private_hosts"):
        list(spec.open(SourceContext(tmp_path)).read())
