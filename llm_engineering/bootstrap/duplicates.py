"""How the near-duplicates of an index are found: its settings, and what is kept from one run to the next."""

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from pydantic import ValidationError

from llm_engineering.application import near_duplicates
from llm_engineering.application.near_duplicates import SIGNATURES, Found, NearDuplicates, Signatures
from llm_engineering.domain.indexes import IndexManifest
from llm_engineering.domain.ports import Warehouse
from llm_engineering.domain.value import digest
from llm_engineering.infrastructure.signatures import SignatureFiles


@dataclass(frozen=True)
class _Kept:
    """What is kept of a collection under certain settings."""

    files: SignatureFiles

    def last(self) -> Found:
        try:
            return Found.model_validate_json(self.files.read_outcome() or "{}")
        except ValidationError:
            return Found()

    def signatures(self) -> Signatures:
        read = self.files.read_signatures()
        if read is None:
            return Signatures()
        lists, arrays = read
        known = {(one, other): alike for one, other, alike in lists["likenesses"]}
        return Signatures(lists["ids"], lists["hashes"], arrays["groups"], arrays["rows"], known)

    def keep(self, found: Found, signatures: Signatures) -> None:
        likenesses = [(one, other, alike) for (one, other), alike in signatures.likenesses.items()]
        lists = {"ids": signatures.ids, "hashes": signatures.hashes, "likenesses": likenesses}
        arrays = {"groups": signatures.groups, "rows": signatures.rows}
        self.files.write(found.model_dump_json(), lists, arrays)


def duplicates_finder(
    settings: NearDuplicates, home: Path, collection: str, sources: Sequence[str] | None, warehouse: Warehouse
) -> Callable[[Mapping[str, str]], Found] | None:
    """Return what finds the near-duplicates among documents, or None if they are not to be looked for."""
    if settings.action == "off":
        return None
    named = digest([SIGNATURES, settings.shingle, settings.within])[:12]
    kept = _Kept(SignatureFiles(home, collection, named))
    return partial(near_duplicates.find, sources=sources, settings=settings, warehouse=warehouse, memory=kept)


def settings_of(manifest: IndexManifest) -> NearDuplicates:
    """Return the settings that an index version was made with, as far as they decide what it holds."""
    return NearDuplicates.model_validate(manifest.settings.get("duplicates") or {"action": "off"})


def left_out(
    manifest: IndexManifest, home: Path, collection: str, sources: Sequence[str] | None, warehouse: Warehouse
) -> Callable[[Mapping[str, str]], Collection[str]]:
    """Return what says which live documents an index version is not to hold, because others say the same."""
    find = duplicates_finder(settings_of(manifest), home, collection, sources, warehouse)
    return lambda states: find(states).duplicates if find else ()
