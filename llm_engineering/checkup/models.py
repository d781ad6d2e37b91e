"""The models: the embedder's weights, and the language models that the configuration names. None is loaded."""

import os
import socket
from pathlib import Path
from urllib.parse import urlsplit

from llm_engineering.checkup.subject import Subject
from llm_engineering.domain.checkup import Check, broken, fine, missing, optional
from llm_engineering.domain.errors import LLMEngineeringError, UsageError
from llm_engineering.infrastructure.embedders import EmbedderSpec, OpenAIEmbeddings, SentenceTransformers
from llm_engineering.infrastructure.embedders.model_source import cached, packaged
from llm_engineering.infrastructure.embedders.sentence_transformers import PINNED
from llm_engineering.infrastructure.environment import with_secrets
from llm_engineering.infrastructure.llms import LlmSpec

SECONDS = 3.0
_USUAL_KEYS = {"openai": "OPENAI_API_KEY", "anthropic": "ANTHROPIC_API_KEY"}


def embedder(subject: Subject) -> Check:
    """Look whether the embedding model is on this machine, with the weights that it must have."""
    spec = subject.config.embedding
    if not isinstance(spec, SentenceTransformers):
        return _without_weights(spec, subject.home)
    if not is_here(subject):
        said = f"{spec.model} is not on this machine; the first run downloads it"
        return missing("embedding model", said, "--set embedding.model=FOLDER, or let a run download it")
    try:
        card = spec.card(subject.home)
    except LLMEngineeringError as error:
        return broken("embedding model", str(error), "poetry install, or mend `embedding.model` and `embedding.digest`")
    return fine("embedding model", f"{card.name}, {card.dimension} dimensions, weights {card.digest[:12]}")


def _without_weights(spec: EmbedderSpec, home: Path) -> Check:
    """Look whether a key or an extra is missing; whether a server answers, only a text could tell."""
    try:
        spec.require()
        card = spec.card(home)
    except UsageError as error:
        return missing("embedding model", str(error), "see the message, or mend the section `embedding`")
    if isinstance(spec, OpenAIEmbeddings) and (wrong := _unreachable(card.name, spec.access()[0])):
        return broken("embedding model", *wrong)
    return fine("embedding model", f"{spec.kind}: {card.name}, {card.dimension} dimensions")


def is_here(subject: Subject) -> bool:
    """Return whether the embedder's files need not be fetched from anywhere."""
    spec = subject.config.embedding
    if not isinstance(spec, SentenceTransformers):
        return True
    name = spec.resolved(subject.home).model
    if name.startswith(("registry:", ".", "/", "~")) or Path(name).expanduser().is_dir() or packaged(name):
        return True
    return cached(name, spec.revision or PINNED.get(name, (None, None))[0], subject.home) is not None


def llms(subject: Subject) -> Check:
    """Look whether each language model has its key, and whether its server can be reached. Nothing is asked of it."""
    specs = subject.config.llms
    if not specs:
        return optional("llms", "none is configured; answers are quoted from the documents")
    wrong = [problem for spec in specs if (problem := _wrong_with(spec, subject.home))]
    if wrong:
        return broken("llms", "; ".join(said for said, _ in wrong), "; ".join(dict.fromkeys(say for _, say in wrong)))
    return fine("llms", ", ".join(f"{spec.name} ({spec.kind})" for spec in specs))


def _wrong_with(spec: LlmSpec, home: Path) -> tuple[str, str] | None:
    """Return what is wrong with a model, and what to type; None if nothing is."""
    if spec.kind == "hugging_face":
        return _wrong_with_folder(spec.name, spec.model, home)
    url = str(getattr(spec, "base_url", "") or getattr(spec, "endpoint", "") or "")
    reference = str(getattr(spec, "api_key", ""))
    usual = _USUAL_KEYS.get(spec.kind, "") if spec.kind != "openai" or getattr(spec, "is_openai", False) else ""
    try:
        if reference:
            with_secrets(reference)
        elif usual and not os.environ.get(usual):
            with_secrets(f"${{env:{usual}}}")
        address = with_secrets(url) if url else ""
    except UsageError as error:
        return f"{spec.name}: {error}", f"export {reference[6:-1] if reference else usual}=…"
    return _unreachable(spec.name, address) if address else None


def _wrong_with_folder(name: str, model: str, home: Path) -> tuple[str, str] | None:
    if model.startswith("registry:"):
        from llm_engineering.infrastructure.registries import FileRegistry

        try:
            FileRegistry(home).find(model)
        except LLMEngineeringError as error:
            return f"{name}: {error}", "python -m tools.models list"
    elif model.startswith((".", "/", "~")) and not Path(model).expanduser().is_dir():
        return f"{name}: there is no model folder {model!r}", "mend `model`"
    return None


def _unreachable(name: str, url: str) -> tuple[str, str] | None:
    """Return why a server takes no connection; whether it then answers, only a question could tell."""
    try:
        parts = urlsplit(url)
        port = parts.port or (443 if parts.scheme == "https" else 80)
    except ValueError:
        return f"{name}: its address cannot be read", "mend `base_url`"
    host = parts.hostname or ""
    try:
        with socket.create_connection((host, port), timeout=SECONDS):
            return None
    except OSError as error:
        reason = error.strerror or str(error) or type(error).__name__
        return (
            f"{name}: no server at {host}:{port} ({reason})",
            f"start the server at {host}:{port}, or mend `base_url`",
        )
