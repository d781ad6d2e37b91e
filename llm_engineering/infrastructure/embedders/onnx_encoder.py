"""A plain BERT in ONNX Runtime: token ids in, unit vectors out, in fp32, on the CPU. It starts in half a second."""

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from llm_engineering.domain.chunks import Vector
from llm_engineering.domain.errors import BackendError
from llm_engineering.domain.indexes import ModelCard
from llm_engineering.infrastructure.embedders.bert_graph import Unfit, bert_graph, weights_of
from llm_engineering.infrastructure.embedders.model_files import ModelFiles
from llm_engineering.infrastructure.embedders.plain_bert import is_plain_bert
from llm_engineering.infrastructure.embedders.tokenizer import FileTokenizer
from llm_engineering.infrastructure.embedders.vectors import unit_vectors
from llm_engineering.infrastructure.embedders.window import check_window, length_buckets

if TYPE_CHECKING:
    from llm_engineering.infrastructure.embedders.sentence_transformers import SentenceTransformers

_ERRORS_ALONE = 3  # what the runtime logs; else it would tell of each of its optimisations that found nothing


class OnnxEncoder:
    """Embeds in batches of similar length, as the encoder in torch does; its vectors are that one's in fp32."""

    def __init__(self, session: Any, spec: "SentenceTransformers", card: ModelCard, tokenizer: FileTokenizer) -> None:
        self.card = card
        self._session = session
        self._spec = spec
        self._tokenizer = tokenizer

    @classmethod
    def load(
        cls, spec: "SentenceTransformers", files: ModelFiles, card: ModelCard, tokenizer: FileTokenizer, threads: int
    ) -> "OnnxEncoder":
        """Load verified files. `threads` is how many compute; 0: as many as there are cores.

        Raises:
            Unfit: the model is no plain BERT, or its files do not belong together.
        """
        if not is_plain_bert(files):
            raise Unfit("it is no BERT with mean pooling and one file of weights")
        session, dimension = opened_session(files, threads)
        if dimension != card.dimension:
            raise Unfit(f"it gives vectors of {dimension} components, its settings say {card.dimension}")
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
        found: dict[int, Vector] = {}
        for batch in length_buckets([len(tokens) for tokens in ids], self._spec.batch_positions):
            found |= zip(batch, self._encode([ids[position] for position in batch]), strict=True)
        return [found[position] for position in range(len(texts))]

    def token_vectors(self, texts: Sequence[str]) -> list[NDArray[np.float32]]:
        """Return for each text the unit vectors of its tokens, (tokens, components); what exceeds the window does not
        count."""
        ids = [self._tokenizer.query_ids(text, "") for text in texts]
        found: dict[int, NDArray[np.float32]] = {}
        for batch in length_buckets([len(tokens) for tokens in ids], self._spec.batch_positions):
            hidden = self._run("token_embeddings", [ids[position] for position in batch])
            hidden /= np.maximum(np.linalg.norm(hidden, axis=-1, keepdims=True), 1e-12)
            found |= {place: hidden[row, : len(ids[place])] for row, place in enumerate(batch)}
        return [found[place] for place in range(len(texts))]

    def _encode(self, ids: Sequence[Sequence[int]]) -> list[Vector]:
        return unit_vectors(self._run("sentence_embedding", ids), self.card.name, "in fp32 in ONNX Runtime")

    def _run(self, output: str, ids: Sequence[Sequence[int]]) -> NDArray[np.float32]:
        """Return what the model makes of one batch of token ids."""
        tokens, mask = padded_arrays(ids)
        try:
            found: NDArray[np.float32] = self._session.run([output], {"input_ids": tokens, "attention_mask": mask})[0]
        except Exception as error:  # the runtime has exceptions of its own for each of its codes, without a common base
            raise BackendError(
                f"model {self.card.name!r} failed on a batch of {tokens.shape[0]} texts of up to {tokens.shape[1]} "
                f"tokens: {error}. A smaller token_budget needs less memory"
            ) from error
        return found


def opened_session(files: ModelFiles, threads: int) -> tuple[Any, int]:
    """Return a session of the runtime for a plain BERT, and how many components its vectors have.

    Raises:
        Unfit: settings and weights do not belong together, or the runtime refuses the graph.
    """
    try:
        import onnxruntime

        model, lent = bert_graph(files.settings("config.json"), weights_of(files))
    except ImportError as error:  # not every platform has it
        raise Unfit(f"{error.name} is not installed") from error
    options = onnxruntime.SessionOptions()
    options.log_severity_level = _ERRORS_ALONE
    options.intra_op_num_threads = threads
    # Threads that wait for the next product in a loop would take the processor from whoever else computes.
    options.add_session_config_entry("session.intra_op.allow_spinning", "0")
    # Plans of memory are kept for each shape of a batch, and hardly two batches have the same.
    options.enable_mem_pattern = False
    values = [onnxruntime.OrtValue.ortvalue_from_numpy(weights) for weights in lent.values()]
    options.add_external_initializers(list(lent), values)
    try:
        session = onnxruntime.InferenceSession(model.SerializeToString(), options, providers=["CPUExecutionProvider"])
    except Exception as error:  # see `_run`
        raise Unfit(f"ONNX Runtime refuses its graph: {error}") from error
    return session, int(session.get_outputs()[0].shape[1])


def padded_arrays(ids: Sequence[Sequence[int]]) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Return token ids and attention mask, both (texts, longest); the mask hides the padding, so its id is free."""
    tokens = np.zeros((len(ids), max(map(len, ids))), dtype=np.int64)
    mask = np.zeros_like(tokens)
    for row, sequence in enumerate(ids):
        tokens[row, : len(sequence)] = sequence
        mask[row, : len(sequence)] = 1
    return tokens, mask
