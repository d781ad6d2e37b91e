"""Data sets to the Hugging Face hub: the rows of each split as Parquet, with their card, into a private repository."""

import io
from collections.abc import Iterable

from llm_engineering.domain.datasets import DatasetCard, DatasetRow, Split
from llm_engineering.domain.errors import UsageError
from llm_engineering.domain.secrets import redact
from llm_engineering.infrastructure.registries.hub import translated


def push(card: DatasetCard, rows: Iterable[DatasetRow], repository: str, *, public: bool = False) -> str:
    """Send the rows of a version with its card to a repository, and return where they are.

    Raises:
        UsageError: there is no token, it may not write there, a public repository would be written to unasked, or the
            card says that the data set is not for everybody.
        BackendError: the hub cannot be reached, or failed.
    """
    from huggingface_hub import CommitOperationAdd, HfApi

    if public and card.users:
        raise UsageError(
            f"data set {card.reference} is for {', '.join(card.users)} (`users` in its card), so it is not made "
            "public; push it without --public"
        )
    files = {"README.md": description(card).encode(), **_files(rows)}
    api = HfApi()
    with translated(repository, "write"):
        api.create_repo(repository, repo_type="dataset", private=not public, exist_ok=True)
        if not public and not api.repo_info(repository, repo_type="dataset").private:
            raise UsageError(f"{repository} is public; make it private, choose another one, or say --public")
        sent = [CommitOperationAdd(path, content) for path, content in files.items()]
        message = f"{card.reference}, digest {card.digest[:12]}"
        done = api.create_commit(repository, sent, commit_message=message, repo_type="dataset")
    return str(done.commit_url)


def description(card: DatasetCard) -> str:
    """Return a data set's card as the hub wants it: YAML between two lines, then text.

    Paths and settings of this machine are not in it.
    """
    import yaml

    splits = [{"split": split, "path": _path(split)} for split in card.rows]
    head: dict[str, object] = {
        "license": "other",
        **({"license_name": card.licence} if card.licence else {}),
        "configs": [{"config_name": "default", "data_files": splits}],
    }
    facts = {
        "Kind": card.kind,
        "Rows": ", ".join(f"{count} {split}" for split, count in card.rows.items()),
        "Origins": ", ".join(f"{count} {origin}" for origin, count in card.origins.items()),
        "Dropped": ", ".join(f"{count} {reason.replace('_', ' ')}" for reason, count in card.dropped.items()),
        "Documents": f"{card.documents} in {card.clusters} clusters; no cluster is in two splits",
        "Sources": ", ".join(card.sources),
        "Licence": card.licence,
        "For": ", ".join(card.users),
        "Digest of the rows": card.digest,
    }
    lines = [f"- {name}: {value}" for name, value in facts.items() if value]
    gates = [f"| {gate.name} | {gate.value:.3f} | {_bound(gate.bound)} | {gate.note} |" for gate in card.gates]
    table = ["", "| gate | value | bound | |", "|---|---|---|---|", *gates] if gates else []
    text = "\n".join([f"# {card.reference}", "", *lines, *table])
    return redact(f"---\n{yaml.safe_dump(head, sort_keys=False)}---\n\n{text}\n")


def _bound(bound: float | None) -> str:
    return "" if bound is None else f"{bound:g}"


def _path(split: str) -> str:
    return f"data/{split}.parquet"


def _files(rows: Iterable[DatasetRow]) -> dict[str, bytes]:
    """Return the rows of each split as a Parquet file that other programs read without this one."""
    from dataclasses import asdict

    import pyarrow as pa
    import pyarrow.parquet as pq

    splits: dict[str, list[dict[str, object]]] = {split.value: [] for split in Split}
    for row in rows:
        splits[row.split].append(asdict(row))
    files = {}
    for split, found in splits.items():
        if found:
            written = io.BytesIO()
            pq.write_table(pa.Table.from_pylist(found), written)
            files[_path(split)] = written.getvalue()
    return files
