"""Section `answering`: how answers are made from passages."""

from pydantic import Field

from llm_engineering.domain.value import Value


class Answering(Value):
    """How answers are made from passages."""

    passages: int = Field(5, ge=1, le=100, description="passages that an answer may rely on")
    passage_tokens: int = Field(2_400, ge=64, description="at most so many tokens of passages reach a model")
    max_tokens: int = Field(800, ge=16, description="at most so many tokens of answer")
    temperature: float = Field(0.0, ge=0, le=2)
    timeout: float = Field(60.0, gt=0, description="seconds for the whole answer")
