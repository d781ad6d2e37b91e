"""An embedder behind OpenAI's API: batches of texts out, unit vectors in."""

import random
import time
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from math import inf
from typing import TYPE_CHECKING
from weakref import finalize

from loguru import logger

from llm_engineering.domain.chunks import Vector
from llm_engineering.domain.errors import BackendError, LLMEngineeringError
from llm_engineering.domain.indexes import ModelCard
from llm_engineering.domain.ports import SubwordTokenizer
from llm_engineering.infrastructure.embedders.breaker import Breaker, LeftAlone
from llm_engineering.infrastructure.embedders.openai_access import open_client
from llm_engineering.infrastructure.embedders.openai_replies import TooMuch, read_vectors, translated
from llm_engineering.infrastructure.embedders.tokenizer import readable
from llm_engineering.infrastructure.embedders.window import check_window

if TYPE_CHECKING:
    from llm_engineering.infrastructure.embedders.openai import OpenAIEmbeddings

_FIRST_WAIT = 0.5
_LONGEST_WAIT = 60.0
# A number in JSON takes 25 bytes at most, and servers tell a little more than vectors.
_BYTES_OF_NUMBER, _BYTES_AROUND = 32, 2**20


class OpenAIEmbedder:
    """Asks for batches of texts, several at the same time; whatever comes back is checked."""

    def __init__(
        self,
        spec: "OpenAIEmbeddings",
        card: ModelCard,
        tokenizer: SubwordTokenizer,
        sleep: Callable[[float], None] = time.sleep,
    ) -> None:
        self.card = card
        self._spec = spec
        self._tokenizer = tokenizer
        self._sleep = sleep
        self._breaker = Breaker(card.name, spec.breaker_failures, spec.breaker_seconds)
        self._most = spec.batch
        address, key = spec.access()
        most_bytes = spec.batch * spec.dimension * _BYTES_OF_NUMBER + _BYTES_AROUND
        self._client = open_client(address, key, seconds=spec.timeout, most_bytes=most_bytes, is_openai=spec.is_openai)
        finalize(self, self._client.close)  # embedders are dropped, not closed

    def embed(self, texts: Sequence[str]) -> Iterator[Sequence[tuple[int, Vector]]]:
        check_window([self._tokenizer.count(text) for text in texts], self.card.max_tokens)
        prompted = [self._spec.passage_prompt + text for text in texts]
        starts = deque(range(0, len(texts), self._spec.batch))
        under_way: deque[tuple[int, Future[list[Vector]]]] = deque()
        threads = ThreadPoolExecutor(self._spec.concurrency, thread_name_prefix="embeddings")
        try:
            while starts or under_way:
                while starts and len(under_way) < self._spec.concurrency:
                    start = starts.popleft()
                    batch = prompted[start : start + self._spec.batch]
                    under_way.append((start, threads.submit(self._vectors, batch)))
                start, asked = under_way.popleft()
                yield list(enumerate(asked.result(), start))
        finally:
            threads.shutdown(wait=False, cancel_futures=True)

    def embed_query(self, text: str) -> Vector:
        """Return the vector of a query; what exceeds the window does not count."""
        room = self.card.max_tokens - self._tokenizer.special_tokens
        if len(spans := self._tokenizer.spans(text)) > room:
            text = text[: spans[room - 1][1]] if room > 0 else ""
        return self._patiently([self._spec.query_prompt + text], within=self._spec.timeout)[0]

    def _vectors(self, texts: Sequence[str]) -> list[Vector]:
        """Return the vectors of texts; what the server finds too much is asked for in halves."""
        most = min(len(texts), self._most)
        if most < len(texts):
            parts = [texts[start : start + most] for start in range(0, len(texts), most)]
            return [vector for part in parts for vector in self._vectors(part)]
        try:
            return self._patiently(texts)
        except TooMuch as refusal:
            if len(texts) == 1:
                raise
            half = len(texts) // 2
            logger.info("{}; asking for {} and {}", refusal, half, len(texts) - half)
            found = self._vectors(texts[:half]) + self._vectors(texts[half:])
            self._most = max(1, min(self._most, len(texts) - half))  # what was too much once is not sent again
            return found

    def _patiently(self, texts: Sequence[str], within: float = inf) -> list[Vector]:
        """Ask again after failures that may pass, not a moment before the time that the server names, and only if that
        comes `within` so many seconds from now."""
        end = time.monotonic() + within
        for attempt in range(self._spec.retries + 1):
            try:
                return self._asked(texts)
            except BackendError as error:
                jitter = random.uniform(0, _FIRST_WAIT * 2**attempt)  # noqa: S311 - spreads callers, guards nothing
                seconds = jitter if error.retry_after is None else error.retry_after + jitter / 4
                is_last = attempt == self._spec.retries or isinstance(error, LeftAlone)
                if not error.transient or is_last or seconds > min(_LONGEST_WAIT, end - time.monotonic()):
                    raise
                logger.info("{}; again in {:.1f} s", error, seconds)
                self._sleep(seconds)
        raise AssertionError("the last attempt returns or raises")

    def _asked(self, texts: Sequence[str]) -> list[Vector]:
        """Send one request."""
        from openai import Omit

        self._breaker.admit()
        try:
            answer = self._client.embeddings.with_raw_response.create(
                model=self._spec.model,
                # An empty text is refused by some servers.
                input=[readable(text) or " " for text in texts],
                encoding_format=self._spec.encoding,
                dimensions=self._spec.dimension if self._spec.shorten else Omit(),
            )
            found = read_vectors(answer.content, len(texts), self._spec.dimension, self._spec.model)
        except Exception as error:  # noqa: BLE001 - none of the library's may pass with a text in it
            told = error if isinstance(error, LLMEngineeringError) else translated(error, self._spec.model, texts)
            self._breaker.note(str(told) if isinstance(told, BackendError) and told.transient else "")
            raise told from None
        self._breaker.note()
        return found
