"""Follow-up questions: what they leave unsaid is taken from the conversation."""

import re
from collections.abc import Sequence

from llm_engineering.application.answering.extractive import question_terms, telling
from llm_engineering.application.text.stems import Language, stem
from llm_engineering.application.text.words import stems, words
from llm_engineering.domain.llms import Message

_POINTING = re.compile(
    r"\b(?:it|its|that|this|these|those|they|them|their|he|she|him|her|his|there|then|one|ones|same|else|other|another|"
    r"das|dies\w*|es|sie|er|ihn|dort|damit|cela|ça|celui|celle|eso|esto|ese|lo|la|questo|quello|isso|isto|это|этот|он|она|они)\b"
    r"|它|他们|她|这|那|それ|これ|あれ|그것|이것",
    re.IGNORECASE,
)
_GOING_ON = re.compile(r"\s*(?:and|but|or|so|what about|how about|why|und|et|y|e|а|и|那|では)\b", re.IGNORECASE)
_FEW = 3
_LONGEST = 500
_TURNS = 6
_LONGEST_TURN = 1_000


def leans_on_history(question: str, language: Language = "english") -> bool:
    """Tell whether a question can hardly be understood without the one before it.

    >>> leans_on_history("What about Windows?"), leans_on_history("How do I install Docker on Windows?")
    (True, False)
    """
    few = len(telling(frozenset(stems(question, language)), language)) <= _FEW
    return few and bool(_POINTING.search(question) or _GOING_ON.match(question) or len(words(question)) <= _FEW)


def completed(question: str, history: Sequence[Message], language: Language = "english") -> str:
    """Return the question with the words of the last question that it may rely on, if it seems to rely on any."""
    last = next((message.content for message in reversed(history) if message.role == "user"), "")
    if not last or not leans_on_history(question, language):
        return question
    known = question_terms(question, language)
    about = question_terms(last, language) - known
    added = [word for word in dict.fromkeys(words(last[:_LONGEST])) if _term(word, language) in about]
    return f"{question} {' '.join(added)}" if added else question


def _term(word: str, language: Language) -> str:
    return stem(word.lower(), language)


def recent(history: Sequence[Message]) -> list[dict[str, str]]:
    """Return the last turns, each on one line, for a prompt."""
    turns = [message for message in history if message.role != "system"][-_TURNS:]
    return [{"role": turn.role, "content": " ".join(turn.content.split())[:_LONGEST_TURN]} for turn in turns]


def rewritten(reply: str) -> str | None:
    """Return the question that a model made stand alone, or None if its reply cannot be one."""
    lines = [line.strip(" \"'“”*`") for line in reply.splitlines() if line.strip()]
    if len(lines) != 1 or not 2 < len(lines[0]) <= _LONGEST or re.search(r"https?://|\[\d+\]", lines[0]):
        return None
    return lines[0]
