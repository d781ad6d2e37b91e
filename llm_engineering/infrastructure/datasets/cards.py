"""Cards of data sets as files: sealed with a digest of all that they say, so that a change by hand is noticed."""

import json
from pathlib import Path

from pydantic import ValidationError

from llm_engineering.domain.datasets import DatasetCard
from llm_engineering.domain.errors import UsageError
from llm_engineering.domain.value import digest

SEAL = "seal"


def card_text(card: DatasetCard) -> str:
    """Return a card as JSON with its seal."""
    said = json.loads(card.model_dump_json())
    return json.dumps(said | {SEAL: digest(said)}, indent=2, ensure_ascii=False) + "\n"


def read_card(path: Path) -> DatasetCard | None:
    """Return the card in a file, or None where there is no file. A card of a former release has no seal.

    Raises:
        UsageError: the file is no card, or it was changed after it was written.
    """
    try:
        said = json.loads(path.read_text(encoding="utf-8"))
        seal = said.pop(SEAL, None) if isinstance(said, dict) else None
        card = DatasetCard.model_validate_json(json.dumps(said))
    except FileNotFoundError:
        return None
    except (OSError, ValueError, RecursionError, ValidationError) as error:
        raise UsageError(f"{path} is no card of a data set ({type(error).__name__}); remove its folder") from error
    if seal is not None and seal != digest(said):
        raise UsageError(
            f"{path} does not say what was written there: it was changed by hand. Put back what stood there; or remove "
            "its folder, set licence, users and the rest in the configuration, and make the data set again"
        )
    return card
