"""Section `answering`: how answers are made from passages."""

from pathlib import Path
from typing import Literal

from pydantic import Field

from llm_engineering.application.answering.wording import Wording
from llm_engineering.domain.value import Value


class Answering(Value):
    """How answers are made from passages."""

    passages: int = Field(5, ge=1, le=100, description="passages that an answer may rely on")
    passage_tokens: int = Field(2_400, ge=64, description="at most so many tokens of passages reach a model")
    max_tokens: int = Field(800, ge=16, description="at most so many tokens of answer")
    temperature: float = Field(0.0, ge=0, le=2)
    timeout: float = Field(
        60.0, gt=0, description="seconds for the whole answer, quotes in place of a slow model included"
    )
    sentences: int = Field(4, ge=1, le=20, description="at most so many sentences in an extractive answer")
    characters: int = Field(900, ge=80, description="an extractive answer is not much longer than this")
    language: Wording = Field(
        "en", description="of the sentences that answers say by themselves: en, de, fr, es, it, pt, nl, ru, zh, ja"
    )
    prompt: str = Field("answer/1", min_length=1, description="prompt template: name/version of one that comes along")
    prompt_file: Path | None = Field(None, description="a Jinja template of your own with blocks `system` and `user`")
    unsupported: Literal["refuse", "flag"] = Field(
        "refuse", description="a generated answer without a verified quote: refuse = quotes instead; flag = show it"
    )
    injection: Literal["leave_out", "neutralise"] = Field(
        "leave_out", description="passages with orders to a model: left out of the prompt, or without those sentences"
    )
    llm_failure: Literal["extractive", "break"] = Field(
        "extractive",
        description="when the model fails, or is too slow, and nothing of it was read yet: quotes instead, or an error",
    )
    links: Literal["sources", "passages"] = Field(
        "sources", description="addresses that an answer may hold: of the sources, or also those that passages hold"
    )
    condense: Literal["rules", "llm"] = Field("llm", description="how a follow-up question gets what it leaves unsaid")
    cache_seconds: float = Field(3_600.0, ge=0, description="how long an answer of a model is kept; 0: not at all")
    keep_receipts: bool = Field(True, description="keep what proves an answer, for `tools.replay` and feedback")
