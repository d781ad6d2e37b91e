"""Secrets from the environment, filled into the URLs of a configuration when they are used."""

import os
import re
from pathlib import Path
from urllib.parse import quote

from llm_engineering.domain.errors import UsageError
from llm_engineering.domain.secrets import REFERENCE, holds_secret, remember


def with_secrets(url: str) -> str:
    """Return a URL with each `${env:NAME}` replaced by that variable's value, percent-encoded for its place.

    A reference at the very beginning stands for a whole address and is taken as it is. Variables that are not set are
    looked for in a `.env` file in the working folder. Each value is remembered, so that it is never shown.

    Raises:
        UsageError: a variable is not set anywhere.
    """

    def fill(found: re.Match[str]) -> str:
        value = _value(found.group(1))
        remember(value)
        return quote(value, safe="") if found.start() else value

    return REFERENCE.sub(fill, url)


def filled(text: str) -> str:
    """Return a text with each `${env:NAME}` replaced by that variable's value, as it is; as a header of HTTP needs it.

    Raises:
        UsageError: a variable is not set anywhere.
    """

    def fill(found: re.Match[str]) -> str:
        value = _value(found.group(1))
        remember(value)
        return value

    return REFERENCE.sub(fill, text)


def _value(name: str) -> str:
    value = os.environ.get(name) or _from_file().get(name)
    if not value:
        raise UsageError(
            f"the configuration refers to ${{env:{name}}}, and the environment variable {name} is not set; set it, or "
            f"put {name}=… into a .env file in the working folder"
        )
    return value


def _from_file() -> dict[str, str | None]:
    from dotenv import dotenv_values

    return dotenv_values(Path(".env")) if Path(".env").is_file() else {}


def check_keyed(api_key: str, base_url: str) -> None:
    """Refuse secrets in the file: ZenML keeps the parameters of a run, readable for everybody.

    Raises:
        ValueError: the key is no reference, or the address holds a secret or is none.
    """
    if api_key and not REFERENCE.fullmatch(api_key):
        raise ValueError(
            "api_key must be a reference to an environment variable, such as ${env:OPENAI_API_KEY}, not the key "
            "itself: the configuration is stored with every run"
        )
    if holds_secret(base_url):
        raise ValueError("base_url holds a secret; put it into api_key as a reference such as ${env:MY_KEY}")
    if not base_url.startswith(("http://", "https://", "${env:")):
        raise ValueError("base_url must begin with http:// or https://, for example http://127.0.0.1:8000/v1")
