"""A plain BERT without torch, on the CPU: token ids in, unit vectors out.

Two libraries compute the same graph: ONNX Runtime in fp32, OpenVINO in bf16.
"""

from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Protocol

import numpy as np
from numpy.typing import NDArray

from llm_engineering.domain.chunks import Vector
from llm_engineering.domain.errors import BackendError
from llm_engineering.domain.indexes import ModelCard
from llm_engineering.infrastructure.embedders.bert_graph import Unfit
from llm_engineering.infrastructure.embedders.model_files import ModelFiles
from llm_engineering.infrastructure.embedders.plain_bert import is_plain_bert
from llm_engineering.infrastructure.embedders.rows import WIDTH, Rows
from llm_engineering.infrastructure.embedders.tokenizer import FileTokenizer
from llm_engineering.infrastructure.embedders.vectors import unit_vectors
from llm_engineering.infrastructure.embedders.window import check_window, in_buckets, length_buckets

if TYPE_CHECKING:
    from llm_engineering.infrastructure.embedders.engines import Engine
    from llm_engineering.infrastructure.embedders.sentence_transformers import SentenceTransformers


class Session(Protocol):
    """A library that has loaded the graph (see `bert_graph.py`). Several threads may run it at the same time."""

    how: str  # for messages: "in fp32 in ONNX Runtime"
    dimension: int

    def run(self, inputs: Mapping[str, NDArray[np.int64]]) -> NDArray[np.float32]:
        """Return the vectors of the tokens of one batch, (rows, tokens, dimension); any exception says why it could
        not be computed."""
        ...


class GraphEncoder:
    """Embeds in batches of similar length, as the encoder in torch does; in fp32 its vectors are that one's."""

    def __init__(
        self, session: Session, spec: "SentenceTransformers", card: ModelCard, tokenizer: FileTokenizer
    ) -> None:
        self.card = card
        self.how = session.how
        self._session = session
        self._spec = spec
        self._tokenizer = tokenizer

    @classmethod
    def load(
        cls,
        spec: "SentenceTransformers",
        files: ModelFiles,
        card: ModelCard,
        tokenizer: FileTokenizer,
        engine: "Engine",
        threads: int,
        callers: int,
    ) -> "GraphEncoder":
        """Load verified files.

        Args:
            spec: The settings.
            files: The model.
            card: What the model is.
            tokenizer: Its tokenizer.
            engine: What computes it; not torch.
            threads: How many compute a batch; 0: as many as there are cores.
            callers: How many threads of this process may ask at the same time.

        Raises:
            Unfit: the model is no plain BERT, or its files do not belong together.
        """
        if not is_plain_bert(files):
            raise Unfit("it is no BERT with mean pooling and one file of weights")
        session = _opened(files, engine, threads, spec.precision, callers)
        if session.dimension != card.dimension:
            raise Unfit(f"it gives vectors of {session.dimension} components, its settings say {card.dimension}")
        return cls(session, spec, card, tokenizer)

    def embed(self, texts: Sequence[str]) -> Iterator[Sequence[tuple[int, Vector]]]:
        ids = self._tokenizer.ids(texts, self._spec.passage_prompt)
        lengths = [len(tokens) for tokens in ids]
        check_window(lengths, self.card.max_tokens)
        for batch in length_buckets(lengths, self._spec.batch_positions):
            yield list(zip(batch, self._encode([ids[position] for position in batch]), strict=True))

    def embed_query(self, text: str) -> Vector:
        """Return the vector of a query; what exceeds the window does not count."""
        return self._encode([self._tokenizer.query_ids(text, self._spec.query_prompt)])[0]

    def embed_queries(self, texts: Sequence[str]) -> list[Vector]:
        """Return the vectors of many queries, in their order."""
        ids = [self._tokenizer.query_ids(text, self._spec.query_prompt) for text in texts]
        return in_buckets(ids, self._spec.batch_positions, self._encode, short=WIDTH)

    def token_vectors(self, texts: Sequence[str]) -> list[NDArray[np.float32]]:
        """Return for each text the unit vectors of its tokens, (tokens, components); what exceeds the window does not
        count."""
        ids = [self._tokenizer.query_ids(text, "") for text in texts]
        found: dict[int, NDArray[np.float32]] = {}
        for batch in length_buckets([len(tokens) for tokens in ids], self._spec.batch_positions):
            hidden = self._run([ids[position] for position in batch])
            lengths = (np.linalg.norm(each, axis=-1, keepdims=True) for each in hidden)
            units = [each / np.maximum(length, 1e-12) for each, length in zip(hidden, lengths, strict=True)]
            found |= zip(batch, units, strict=True)
        return [found[place] for place in range(len(texts))]

    def _encode(self, ids: Sequence[Sequence[int]]) -> list[Vector]:
        means = [hidden.mean(axis=0) for hidden in self._run(ids)]
        return unit_vectors(np.stack(means), self.card.name, self.how)

    def _run(self, ids: Sequence[Sequence[int]]) -> list[NDArray[np.float32]]:
        """Return what the model makes of one batch of token ids: for each text (tokens, dimension)."""
        rows = Rows.of(ids)
        try:
            hidden = self._session.run(rows.inputs)
        except Exception as error:  # see `Session.run`
            raise BackendError(
                f"model {self.card.name!r} failed on a batch of {len(ids)} texts of up to {max(map(len, ids))} "
                f"tokens: {error}. A smaller token_budget needs less memory"
            ) from error
        return [hidden[row, span] for row, span in rows.places]


def _opened(files: ModelFiles, engine: "Engine", threads: int, precision: str, callers: int) -> Session:
    """Return the engine with the model loaded."""
    if engine == "openvino":
        from llm_engineering.infrastructure.embedders.openvino_session import OpenVinoSession

        return OpenVinoSession(files, threads, precision, callers)
    from llm_engineering.infrastructure.embedders.onnx_session import OnnxSession

    return OnnxSession(files, threads)
