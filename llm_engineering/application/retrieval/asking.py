"""Asking a language model on the way to passages: a plain function that returns JSON, or an error of ours."""

import json
from collections.abc import Callable, Mapping
from typing import Any

from llm_engineering.domain.errors import BackendError
from llm_engineering.domain.llms import Completion, LlmRequest, Message

# What bootstrap hands in: it asks the model and waits for the whole completion.
Ask = Callable[[LlmRequest], Completion]


def ask_json(
    ask: Ask | None,
    order: str,
    content: str,
    schema: Mapping[str, Any],
    max_tokens: int = 300,
    documents: tuple[str, ...] = (),
) -> dict[str, Any]:
    """Return what the model answers, an object by the schema as far as the model kept to it. `documents` are those that
    the content quotes.

    Raises:
        BackendError: there is no model, it failed, or it said something else than an object.
    """
    if ask is None:
        raise BackendError("no language model is configured (llms:), and this stage needs one; the search goes on")
    messages = (Message(role="system", content=order), Message(role="user", content=content))
    request = LlmRequest(messages=messages, max_tokens=max_tokens, json_schema=dict(schema), documents=documents)
    try:
        said = ask(request).text
        answer = json.loads(said)
    except (ValueError, RecursionError) as error:
        raise BackendError(f"the language model was to answer in JSON and did not: {error}") from error
    if not isinstance(answer, dict):
        raise BackendError(f"the language model was to answer with an object, and gave a {type(answer).__name__}")
    return answer


def texts_in(value: object, most: int, longest: int = 500) -> tuple[str, ...]:
    """Return the texts in what a model gave for a list of texts, trimmed; anything else in it is left out.

    >>> texts_in(["a b", "", 3, "c"], 2)
    ('a b', 'c')
    """
    given = value if isinstance(value, list) else []
    texts = (" ".join(one.split())[:longest] for one in given if isinstance(one, str))
    return tuple(dict.fromkeys(text for text in texts if text))[:most]
