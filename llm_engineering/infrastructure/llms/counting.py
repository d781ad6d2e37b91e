"""How many tokens a text may have, where only its server knows."""

from llm_engineering.domain.llms import LlmRequest
from llm_engineering.domain.value import digest

# What a server puts around each message, and around all of them: marks, roles, instructions of its own.
_AROUND_MESSAGE = 16
_AROUND_REQUEST = 64


def most_tokens(request: LlmRequest) -> int:
    """Return a number of tokens that the prompt cannot pass: no token is shorter than a byte."""
    schema = len(repr(request.json_schema)) + 256 if request.json_schema else 0
    texts = sum(len(message.content.encode("utf-8", "replace")) + _AROUND_MESSAGE for message in request.messages)
    return texts + 2 * schema + _AROUND_REQUEST


def likely_tokens(text: str) -> int:
    """Return about how many tokens a text has: one for four letters of ASCII, one for each other character."""
    ascii_only = sum(character.isascii() for character in text)
    return -(-ascii_only // 4) + len(text) - ascii_only


def likely_prompt(request: LlmRequest) -> int:
    """Return about how many tokens a prompt has."""
    return sum(likely_tokens(message.content) + 4 for message in request.messages)


def request_digest(request: LlmRequest, of: object) -> str:
    """Identify a request to a model."""
    return digest([of, request.model_dump(mode="json", exclude={"documents", "whole"})])
