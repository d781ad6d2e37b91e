"""Under which key an answer is kept: everything that made it, so that it can answer nobody else and nothing else."""

from collections.abc import Sequence

from llm_engineering.application.answering.prompt_passages import PromptPassage
from llm_engineering.application.answering.settings import Answering
from llm_engineering.domain.answers import Question
from llm_engineering.domain.llms import LlmCard
from llm_engineering.domain.queries import Retrieved
from llm_engineering.domain.value import digest

# Raise it when the code makes another answer of the same reply.
_SCHEMA = 1


def answer_key(
    question: Question,
    query: str,
    retrieved: Retrieved,
    passages: Sequence[PromptPassage],
    card: LlmCard,
    prompt: str,
    settings: Answering,
) -> str:
    """Return the key of an answer: who may see what, the question and its history, the passages as the model reads
    them, the model, the prompt and the settings. A publication that changes a passage changes the key."""
    asked = question.model_dump(mode="json", exclude={"owner", "whole"})
    read = [(passage.number, passage.text) for passage in passages]
    found = [hit.chunk_id for hit in retrieved.hits]
    made = {"schema": _SCHEMA, "card": card.model_dump(mode="json"), "prompt": prompt}
    made_by = settings.model_dump(mode="json", exclude={"timeout", "keep_receipts"})
    return "answer:" + digest([asked, query, retrieved.version, found, read, made, made_by])
