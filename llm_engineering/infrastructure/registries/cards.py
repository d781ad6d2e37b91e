"""The card of a version: its text, and whether it is the one that the registry wrote."""

import json
from hashlib import sha256
from pathlib import Path

from pydantic import ValidationError

from llm_engineering.domain.errors import UsageError
from llm_engineering.domain.models import RegisteredModel, Stage
from llm_engineering.infrastructure.registries.states import States

NOT_USED = "it is not used. Get it back from a copy, or promote another version"


def card_text(model: RegisteredModel) -> str:
    """Return a card as it is written; the stage is kept elsewhere, for it changes."""
    return json.dumps(model.model_dump(mode="json", exclude={"stage"}), indent=1, ensure_ascii=False, allow_nan=False)


def digest_of_text(text: str) -> str:
    """Return the SHA-256 of a text."""
    return sha256(text.encode()).hexdigest()


def read_card(path: Path, name: str, number: int, states: States) -> RegisteredModel:
    """Return a version by its card, in the stage that the states say.

    Raises:
        UsageError: the card is damaged, was changed by hand, or is that of another version.
    """
    try:
        content = path.read_bytes()
        card = RegisteredModel.model_validate(json.loads(content))
    except (OSError, ValueError, ValidationError) as error:
        raise UsageError(f"the card {path} is damaged ({type(error).__name__}); {NOT_USED}") from error
    if sha256(content).hexdigest() not in states.cards.get(number, ()):
        # Another process may have replaced it since the states were read.
        states = States.read(path.parent.parent)
        content = path.read_bytes()
        if sha256(content).hexdigest() not in states.cards.get(number, ()):
            raise UsageError(f"the card {path} was changed by hand since it was registered; {NOT_USED}")
        card = RegisteredModel.model_validate(json.loads(content))
    if (card.name, card.number) != (name, number):
        raise UsageError(f"the card {path} is that of {card.reference}; {NOT_USED}")
    return card.model_copy(update={"stage": states.stages.get(number, Stage.NONE)})
