"""Personal data by its form: addresses, numbers, accounts."""

from collections import Counter
from collections.abc import Mapping
from typing import Literal, get_args

from pydantic import Field, field_validator

from llm_engineering.application.cleaning.findings import Findings
from llm_engineering.application.cleaning.pii_recognizers import Entity, recognized
from llm_engineering.domain.access import TENANT
from llm_engineering.domain.documents import CleanedDocument, Format
from llm_engineering.domain.extras import require
from llm_engineering.domain.value import Scalar, Value

# Raise this when other things are found in the same text: an index whose texts are masked is then made anew.
PII_SCHEMA = 2
_COMMON: tuple[Entity, ...] = ("EMAIL_ADDRESS", "PHONE_NUMBER", "CREDIT_CARD", "IBAN_CODE", "IP_ADDRESS")
# Fields that say where a document is from and whose it is: nothing is found without them.
_KEPT = frozenset([TENANT, "path", "language", "commit", "blob"])


class Pii(Value):
    """Find personal data by patterns and checksums, and mask it, refuse the document, or only count it.

    Names of people have no form, and are not found. A mask is the kind in angle brackets, `<EMAIL_ADDRESS>`; spans and
    quotes refer to the masked text. The report counts by kind; values are neither logged nor reported.
    """

    kind: Literal["pii"] = "pii"
    action: Literal["mask", "reject", "report"] = Field("mask", description="what becomes of a document with findings")
    entities: tuple[Entity, ...] = Field(_COMMON, min_length=1, description=f"of {', '.join(get_args(Entity))}")
    regions: tuple[str, ...] = Field(
        ("US", "GB", "DE"), description="countries whose phone numbers are known without +; ISO 3166, two letters"
    )
    min_score: float = Field(0.4, gt=0, le=1, description="findings that are less certain are ignored")
    metadata: bool = Field(True, description="whether texts in the metadata are looked at, too; never tenant or path")

    @field_validator("regions")
    @classmethod
    def _are_countries(cls, regions: tuple[str, ...]) -> tuple[str, ...]:
        for region in regions:
            if not (len(region) == 2 and region.isascii() and region.isupper()):
                raise ValueError(f"{region!r} is no country code; write two capital letters, such as US, GB, DE")
        return regions

    def require(self) -> None:
        """Refuse to go on without the extra."""
        require("pii", "the cleaner `pii`", "presidio_analyzer")

    def clean(self, text: str, format: Format) -> str:  # noqa: ARG002 - the signature of every cleaner
        return self.masked(text)[0] if self.action == "mask" else text

    def examined(self, document: CleanedDocument) -> Findings:
        """Return what was found, by kind, and the document without it if that is to be."""
        text, counts = self.masked(document.text)
        title, more = self.masked(document.title)
        metadata, others = self._masked_metadata(document.metadata)
        counts = counts + more + others
        outcome: dict[str, Scalar] = {f"pii.{entity}": count for entity, count in sorted(counts.items())}
        if not counts:
            return Findings(document)
        if self.action == "mask":
            return Findings(document, text, title, metadata, outcome)
        if self.action == "reject":
            found = ", ".join(f"{count} {entity}" for entity, count in sorted(counts.items()))
            outcome |= {"rejected": "pii", "detail": f"it holds personal data: {found}"}
        return Findings(document, outcome=outcome)

    def masked(self, text: str) -> tuple[str, Counter[str]]:
        """Return the text with each finding replaced by its kind, and how many there were of each kind.

        Raises:
            UsageError: the extra `pii` is not installed.
        """
        self.require()
        counts: Counter[str] = Counter()
        parts: list[str] = []
        end = 0
        for found in recognized(text, self.entities, self.regions, self.min_score):
            counts[found.entity] += 1
            parts += [text[end : found.start], f"<{found.entity}>"]
            end = found.end
        return ("".join([*parts, text[end:]]) if parts else text), counts

    def _masked_metadata(self, metadata: Mapping[str, Scalar]) -> tuple[dict[str, Scalar], Counter[str]]:
        counts: Counter[str] = Counter()
        found = dict(metadata)
        for key, value in metadata.items() if self.metadata else ():
            if isinstance(value, str) and key not in _KEPT:
                found[key], more = self.masked(value)
                counts += more
        return found, counts
