"""What is installed: the packages that the lock pins, and the extras."""

import re
import tomllib
from collections.abc import Iterator
from importlib import metadata
from importlib.util import find_spec
from pathlib import Path

from llm_engineering.application.chunking import Code
from llm_engineering.application.text.spacy_pipeline import SpacyPipeline
from llm_engineering.checkup.subject import Subject
from llm_engineering.domain.checkup import Check, broken, fine, missing, optional
from llm_engineering.domain.value import Value
from llm_engineering.infrastructure.sources import Objects
from llm_engineering.infrastructure.state import SqlState
from llm_engineering.infrastructure.vector_stores import EngineSpec

# extra → (a module of it, what it is for)
EXTRAS = {
    "postgresql": ("psycopg", "the warehouse on PostgreSQL"),
    "bedrock": ("boto3", "LLMs on Amazon Bedrock"),
    "redis": ("redis", "conversations shared through Redis"),
    "mcp": ("mcp", "the assistant as an MCP server"),
    "tracing": ("opentelemetry.exporter.otlp.proto.http", "traces over OTLP"),
    "lora": ("peft", "low-rank adapters"),
    "finetuning": ("trl", "fine-tuning of language models"),
    "gguf": ("gguf", "language models for Ollama and llama.cpp"),
    "pdf": ("pypdfium2", "PDF files as sources"),
    "office": ("openpyxl", "spreadsheets as sources"),
    "s3": ("s3fs", "S3 and its like as sources"),
    "pgvector": ("pgvector", "the index in PostgreSQL"),
    "elasticsearch": ("elasticsearch", "the index in Elasticsearch"),
    "opensearch": ("opensearchpy", "the index in OpenSearch"),
    "chroma": ("chromadb", "the index in Chroma"),
    "faiss": ("faiss", "the index in FAISS"),
    "lancedb": ("lancedb", "the index in LanceDB"),
    "pinecone": ("pinecone", "the index in Pinecone"),
    "clickhouse": ("clickhouse_connect", "the index in ClickHouse"),
    "code": ("tree_sitter", "code cut along its syntax"),
    "spacy": ("spacy", "lemmas, phrases and vectors of spaCy"),
    "languages": ("py3langid", "the language of a text"),
    "pii": ("presidio_analyzer", "personal data in texts"),
    "ray": ("ray", "feature runs on a Ray cluster"),
    "mlflow": ("mlflow", "experiments in MLflow"),
    "comet": ("comet_ml", "experiments in Comet"),
}
# kind → the extra that it needs, whichever family it is of
_EXTRA_OF_KIND = {
    **{name: name for name in ("bedrock", "redis", "pdf", "spacy", "pii", "ray", "mlflow", "comet")},
    "language": "languages",
    **dict.fromkeys(("sft", "dpo"), "finetuning"),
}
_PROJECT = Path(__file__).resolve().parents[2]
_PIN = re.compile(r'^\[\[package\]\]\nname = "([^"\n]+)"\nversion = "([^"\n]+)"$', re.MULTILINE)
_INSTALL = "poetry install"


def pinned(subject: Subject, project: Path = _PROJECT) -> Check:  # noqa: ARG001 - the signature of every check
    """Compare what this project asks for with what is installed, and that with the lock."""
    lock, wanted = project / "poetry.lock", _wanted(project / "pyproject.toml")
    if not lock.is_file() or not wanted:
        return optional("packages", "no poetry.lock beside the code; the versions cannot be compared")
    pins: dict[str, set[str]] = {}
    for name, version in _PIN.findall(lock.read_text(encoding="utf-8")):
        pins.setdefault(_normal(name), set()).add(version)
    absent, other = [], []
    for name in wanted & pins.keys():
        try:
            found = metadata.version(name)
        except metadata.PackageNotFoundError:
            absent.append(name)
            continue
        if found not in pins[name]:
            other.append(f"{name} {found} (the lock pins {' or '.join(sorted(pins[name]))})")
    if absent:
        return missing("packages", f"not installed: {', '.join(sorted(absent))}", _INSTALL)
    if other:
        return broken("packages", f"other versions than tested: {', '.join(sorted(other))}", f"{_INSTALL} --sync")
    return fine("packages", f"{len(wanted)} direct dependencies as the lock pins them")


def extras(subject: Subject) -> Check:
    """List the extras that are there, and what the others are for. What the configuration needs has to be there."""
    absent = {name for name, (module, _) in EXTRAS.items() if not _is_there(module)}
    if needed := sorted(absent & _needed(subject)):
        told = ", ".join(f"{name} ({EXTRAS[name][1]})" for name in needed)
        return missing("extras", f"the configuration needs {told}", f"poetry install --extras '{' '.join(needed)}'")
    there = [name for name in EXTRAS if name not in absent]
    if absent:
        told = ", ".join(f"{name} ({EXTRAS[name][1]})" for name in EXTRAS if name in absent)
        said = f"installed: {', '.join(there) or 'none'}; not installed: {told}"
        return optional("extras", said, "poetry install --extras NAME")
    return fine("extras", f"all of them: {', '.join(there)}")


def _needed(subject: Subject) -> set[str]:
    """Return the extras of all that the configuration names, wherever it stands in it."""
    of_warehouse = {"postgresql"} if subject.settings.warehouse_url.startswith("postgres") else set()
    return of_warehouse | {extra for part in _parts(subject.config) for extra in _extras_of(part)}


def _parts(value: object) -> Iterator[Value]:
    """Yield a section and all that it holds, at any depth."""
    if isinstance(value, Value):
        yield value
        for name in type(value).model_fields:
            yield from _parts(getattr(value, name))
    elif isinstance(value, tuple):
        for inner in value:
            yield from _parts(inner)
    elif isinstance(value, dict):
        for inner in value.values():
            yield from _parts(inner)


def _extras_of(part: Value) -> set[str]:
    match part:
        case EngineSpec():
            return {part.extra}
        case Code():
            return {"code"} if part.parser == "tree_sitter" else set()
        case Objects():
            return {"s3"} if part.url.startswith("s3:") else set()
        case SqlState():
            return {"postgresql"} if part.url.startswith("postgres") else set()
        case SpacyPipeline():
            return {"spacy"}
    kind = getattr(part, "kind", "")
    return {_EXTRA_OF_KIND[kind]} if kind in _EXTRA_OF_KIND else set()


def _is_there(module: str) -> bool:
    try:
        return find_spec(module) is not None
    except ModuleNotFoundError:  # the package around it is not there
        return False


def _wanted(path: Path) -> set[str]:
    """Return the names of the direct dependencies that this machine needs."""
    try:
        listed = tomllib.loads(path.read_text(encoding="utf-8"))["project"]["dependencies"]
    except (OSError, KeyError, ValueError):
        return set()
    always = [str(entry) for entry in listed if ";" not in str(entry)]
    return {_normal(re.split(r"[\[<>=!~ ;]", entry, maxsplit=1)[0]) for entry in always}


def _normal(name: str) -> str:
    return re.sub(r"[-_.]+", "-", name).lower()
