"""Embedding by a server that speaks OpenAI's API: OpenAI itself, vLLM, Ollama, TEI, LM Studio and others."""

from pathlib import Path
from typing import TYPE_CHECKING, Literal, Self

from pydantic import Field, model_validator

from llm_engineering.domain.errors import UsageError
from llm_engineering.domain.indexes import ModelCard
from llm_engineering.domain.value import digest
from llm_engineering.infrastructure.embedders.estimating import EstimatingTokenizer
from llm_engineering.infrastructure.embedders.settings import EmbedderSettings
from llm_engineering.infrastructure.environment import check_keyed, filled, with_secrets

if TYPE_CHECKING:
    from llm_engineering.infrastructure.embedders.openai_embedder import OpenAIEmbedder
    from llm_engineering.infrastructure.embedders.tokenizer import FileTokenizer

OPENAI = "https://api.openai.com/v1"


class OpenAIEmbeddings(EmbedderSettings):
    """Embed with a model behind OpenAI's API or any server with the same one.

    Nobody can see its weights, so the model is told from others by its name, `dimension` and `revision`. Its address is
    not part of that: a server that moves serves the same model.
    """

    kind: Literal["openai"] = "openai"
    model: str = Field(min_length=1, description="the model's name at its server")
    dimension: int = Field(ge=1, le=65_536, description="components of its vectors; other answers are refused")
    base_url: str = Field(OPENAI, description="address of the API, usually ending in /v1")
    api_key: str = Field(
        "", description="${env:NAME}; empty: ${env:OPENAI_API_KEY} at OpenAI itself, no key at another server"
    )
    allow_insecure_key: bool = Field(
        False, description="send the key over plain http to another machine; anybody on the way can read it"
    )
    revision: str = Field("", description="change it when the server has another model under the same name")
    shorten: bool = Field(
        False, description="ask for vectors of `dimension` components, from models whose own are longer (Matryoshka)"
    )
    max_tokens: int = Field(512, ge=16, le=131_072, description="window that chunks are cut for")
    tokenizer: str = Field(
        "",
        description="name on the Hugging Face hub or folder of a model with the same tokenizer.json, to count tokens "
        "with; empty: they are estimated, four letters each",
    )
    query_prompt: str = Field("", description="put before each query, for models that want one")
    passage_prompt: str = Field("", description="put before each passage, for models that want one")
    batch: int = Field(
        64, ge=1, le=2_048, description="texts in one request; halved while the server finds it too much"
    )
    concurrency: int = Field(4, ge=1, le=64, description="requests at the same time")
    encoding: Literal["base64", "float"] = Field(
        "base64", description="how vectors are asked for; servers may answer with either"
    )
    timeout: float = Field(
        60.0, gt=0, le=3_600, description="seconds for one request, and for a question with all its attempts"
    )
    retries: int = Field(3, ge=0, le=10, description="further attempts after a failure that may pass")
    breaker_failures: int = Field(
        5, ge=0, le=1_000, description="requests in a row that failed, after which the server is left alone; 0: never"
    )
    breaker_seconds: float = Field(30.0, gt=0, le=86_400, description="for so long; then it is tried again")

    @model_validator(mode="after")
    def _holds_no_secret(self) -> Self:
        check_keyed(self.api_key, self.base_url)
        return self

    @property
    def is_openai(self) -> bool:
        """Whether this is OpenAI's own service. Its key goes nowhere else by itself."""
        return self.base_url.rstrip("/") == OPENAI

    def require(self) -> None:
        """Check that the key is there, and that nobody on the way could read it.

        Raises:
            UsageError: it is not; the message says what to set.
        """
        self.access()

    def access(self) -> tuple[str, str]:
        """Return the address of the API and the key, which is empty where none is sent.

        Raises:
            UsageError: a variable is not set, or the key is none, or it would be readable on the way.
        """
        from llm_engineering.infrastructure.embedders.openai_access import checked_access

        address = with_secrets(self.base_url).rstrip("/")
        key = filled(self.api_key or ("${env:OPENAI_API_KEY}" if self.is_openai else ""))
        return checked_access(address, key, allowed=self.allow_insecure_key)

    def open(self, home: Path) -> "OpenAIEmbedder":
        """Return the embedder; nothing is sent yet.

        Raises:
            UsageError: the key is missing, or the tokenizer.
        """
        from llm_engineering.infrastructure.embedders.openai_embedder import OpenAIEmbedder

        return OpenAIEmbedder(self, self.card(home), self.open_tokenizer(home))

    def open_tokenizer(self, home: Path) -> "FileTokenizer | EstimatingTokenizer":
        """Return the tokenizer that sizes chunks."""
        if not self.tokenizer:
            return EstimatingTokenizer(self.max_tokens, self.passage_prompt)
        from llm_engineering.infrastructure.embedders.tokenizer import FileTokenizer

        return FileTokenizer.load(self._tokenizer_file(home), self.max_tokens, self.passage_prompt)

    def card(self, home: Path) -> ModelCard:
        """Identify the model by what is known of it, without asking its server."""
        content = ["openai", self.model, self.dimension, self.revision, self.passage_prompt]
        return ModelCard(
            name=self.model,
            digest=digest(content),
            dimension=self.dimension,
            max_tokens=self.max_tokens,
            passage_prompt=self.passage_prompt,
            query_prompt=self.query_prompt,
            tokenizer=self._tokenizer_digest(home),
        )

    def _tokenizer_digest(self, home: Path) -> str:
        """Return what tells the tokenizer from others: it decides where chunks end."""
        from llm_engineering.infrastructure.embedders.model_files import sha256_of

        return sha256_of(self._tokenizer_file(home)) if self.tokenizer else "estimate"

    def _tokenizer_file(self, home: Path) -> Path:
        from llm_engineering.infrastructure.embedders.model_source import find_model

        path = find_model(self.tokenizer, None, home) / "tokenizer.json"
        if not path.is_file():
            raise UsageError(f"{path.parent} has no tokenizer.json; set `embedding.tokenizer` to a model that has one")
        return path
