"""Models from the Hugging Face hub, and to it: pinned revisions in, private repositories out."""

import re
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from llm_engineering.domain.errors import BackendError, UsageError
from llm_engineering.domain.models import RegisteredModel
from llm_engineering.domain.secrets import redact
from llm_engineering.infrastructure.embedders.model_source import UNWANTED, WANTED, network_error

TOKEN = "HF_TOKEN"  # noqa: S105 - the name of a variable
_COMMIT = re.compile(r"[0-9a-f]{40}")


def fetch(repository: str, revision: str, folder: Path) -> Path:
    """Download the safetensors and texts of a pinned revision into a folder.

    Raises:
        UsageError: the revision is no commit, there is no such repository, or it cannot be seen without a token.
        BackendError: the hub cannot be reached, or failed.
    """
    from huggingface_hub import snapshot_download

    if not _COMMIT.fullmatch(revision):
        raise UsageError(
            f"revision {revision!r} is no commit; give all 40 hex digits (--revision), for a name such as 'main' means "
            "something else tomorrow"
        )
    with translated(repository, "read"):
        snapshot_download(
            repository, revision=revision, local_dir=folder, allow_patterns=WANTED, ignore_patterns=UNWANTED
        )
    for path in folder.glob(".cache"):
        _remove(path)
    return folder


def push(model: RegisteredModel, folder: Path, repository: str, *, public: bool = False) -> str:
    """Send the files of a version with its card to a repository, and return where it is.

    Raises:
        UsageError: there is no token, it may not write there, or a public repository would be written to unasked.
        BackendError: the hub cannot be reached, or failed.
    """
    from huggingface_hub import CommitOperationAdd, HfApi

    api = HfApi()
    with translated(repository, "write"):
        api.create_repo(repository, private=not public, exist_ok=True)
        if not public and not api.repo_info(repository).private:
            raise UsageError(f"{repository} is public; make it private, choose another one, or say --public")
        card = description(model).encode()
        files = [CommitOperationAdd("README.md", card)]
        files += [CommitOperationAdd(file.path, folder / file.path) for file in model.files if file.path != "README.md"]
        done = api.create_commit(repository, files, commit_message=f"{model.reference}, weights {model.weights[:12]}")
    return str(done.commit_url)


def description(model: RegisteredModel) -> str:
    """Return a model's card as the hub wants it: YAML between two lines, then text."""
    import yaml

    tags = {"embedder": "sentence-similarity", "reranker": "text-ranking"}
    head: dict[str, object] = {"license": "other", "library_name": "sentence-transformers"}
    if model.licence:
        head["license_name"] = model.licence
    if model.kind in tags:
        head["pipeline_tag"] = tags[model.kind]
    rows = [f"| {name} | {figure} | {figure.n} |" for name, figure in sorted(model.metrics.items())]
    facts = {
        "Made from": model.base,
        "Data set": f"{model.dataset} (digest {model.dataset_digest[:12]})" if model.dataset else "",
        "Licence": model.licence,
        "SHA-256 of the weights": model.weights,
        "Steps": str(model.training.steps) if model.training else "",
    }
    lines = [f"- {name}: {value}" for name, value in facts.items() if value]
    table = ["", "| metric | value with interval | questions |", "|---|---|---|", *rows] if rows else []
    text = "\n".join([f"# {model.reference}", "", *lines, *table])
    return redact(f"---\n{yaml.safe_dump(head, sort_keys=False)}---\n\n{text}\n")


@contextmanager
def translated(repository: str, what: str) -> Iterator[None]:
    """Say what the hub answers in errors of this project; `what` is to be done there: read or write."""
    from huggingface_hub.errors import (
        GatedRepoError,
        HfHubHTTPError,
        HFValidationError,
        LocalTokenNotFoundError,
        RepositoryNotFoundError,
        RevisionNotFoundError,
    )

    hint = f"set {TOKEN} to a token that may {what} it (https://huggingface.co/settings/tokens)"
    try:
        yield
    except (GatedRepoError, RepositoryNotFoundError, LocalTokenNotFoundError) as error:
        raise UsageError(f"{repository} is not on the hub, or not for everybody: {hint}") from error
    except RevisionNotFoundError as error:
        raise UsageError(f"{repository} has no such revision; look at its history on the hub") from error
    except HFValidationError as error:
        raise UsageError(f"{repository!r} is no name on the hub; write OWNER/NAME") from error
    except HfHubHTTPError as error:
        if error.response.status_code in (401, 403):
            raise UsageError(f"the hub does not let you {what} {repository}: {hint}") from error
        raise BackendError(f"the hub failed on {repository}: {error}", transient=True) from error
    except (network_error(), OSError) as error:
        raise BackendError(
            f"the hub cannot be reached for {repository} ({type(error).__name__}); check the network and HF_ENDPOINT",
            transient=True,
        ) from error


def _remove(path: Path) -> None:
    """Remove what the library keeps of a download: it is no file of the model."""
    from shutil import rmtree

    rmtree(path, ignore_errors=True)
