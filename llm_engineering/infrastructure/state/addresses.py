"""The addresses of the servers that keep the state: never with a secret in them."""

from llm_engineering.domain.secrets import REFERENCE, holds_secret, redact


def without_secret(url: str) -> str:
    """Return the URL of a configuration, or refuse it.

    Raises:
        ValueError: it holds a secret; says how to write it instead.
    """
    if "${" in REFERENCE.sub("", url):
        raise ValueError(f"url ({redact(url)}): an environment variable is written ${{env:NAME}}")
    if holds_secret(url):
        raise ValueError(
            f"url ({redact(url)}) holds a secret, which would be stored with every run; put it into an environment "
            "variable and refer to it: ${env:NAME} for the whole address, or user:${env:MY_PASSWORD}@host"
        )
    return url
