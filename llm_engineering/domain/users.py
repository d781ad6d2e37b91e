"""The people whose writing is ingested."""

from llm_engineering.domain.errors import UsageError
from llm_engineering.domain.value import Value, identity


class User(Value):
    """An author. The id comes from the name, so the same name is the same user in every run and on every machine."""

    first_name: str
    last_name: str

    @property
    def id(self) -> str:
        return identity("user", self.first_name.casefold(), self.last_name.casefold())

    @property
    def full_name(self) -> str:
        return f"{self.first_name} {self.last_name}".strip()


def split_user_full_name(full_name: str | None) -> tuple[str, str]:
    """Split a full name into first and last name.

    The last word is the last name, everything before it the first name; a single word is both. Runs of white space
    of any kind count as one separator.

    Raises:
        UsageError: the name is empty, blank or None.

    >>> split_user_full_name("Ada King Lovelace")
    ('Ada King', 'Lovelace')
    >>> split_user_full_name("Plato")
    ('Plato', 'Plato')
    """
    tokens = (full_name or "").split()
    if not tokens:
        raise UsageError(f"user_full_name is {full_name!r}; give at least one word, for example 'Ada Lovelace'")
    if len(tokens) == 1:
        return tokens[0], tokens[0]
    return " ".join(tokens[:-1]), tokens[-1]


def user_named(full_name: str | None) -> User:
    """Return the user of this full name (see `split_user_full_name`)."""
    first_name, last_name = split_user_full_name(full_name)
    return User(first_name=first_name, last_name=last_name)
