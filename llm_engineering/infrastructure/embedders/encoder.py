"""A loaded sentence-transformers model: token ids in, unit vectors out."""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, nullcontext
from typing import TYPE_CHECKING

import numpy as np
import torch
from numpy.typing import NDArray

from llm_engineering.domain.chunks import Vector
from llm_engineering.domain.errors import BackendError, UsageError
from llm_engineering.domain.indexes import ModelCard
from llm_engineering.infrastructure.embedders.bert import Bert
from llm_engineering.infrastructure.embedders.engines import has_amx
from llm_engineering.infrastructure.embedders.model_files import ModelFiles
from llm_engineering.infrastructure.embedders.plain_bert import is_plain_bert
from llm_engineering.infrastructure.embedders.tokenizer import FileTokenizer
from llm_engineering.infrastructure.embedders.vectors import unit_vectors
from llm_engineering.infrastructure.embedders.window import check_window, in_buckets, length_buckets
from llm_engineering.infrastructure.heap import give_back_heap

if TYPE_CHECKING:
    from llm_engineering.infrastructure.embedders.sentence_transformers import SentenceTransformers

# Batches after which memory is given back: 300 MB less at the peak, for a fiftieth of the time.
BETWEEN_TRIMS = 4


class Encoder:
    """Embeds in batches of similar length, in bf16 where that is fast. The vectors equal the library's `encode`."""

    def __init__(
        self, model: torch.nn.Module, spec: "SentenceTransformers", card: ModelCard, tokenizer: FileTokenizer
    ) -> None:
        self.card = card
        self.device = next(model.parameters()).device.type
        self.precision = chosen_precision(spec.precision, self.device)
        self._model = model.eval()
        self._spec = spec
        self._tokenizer = tokenizer
        if self.precision == "bf16":
            # Autocast would convert the weights of each layer again for each batch: a third of a query's time.
            for module in model.modules():
                if isinstance(module, torch.nn.Linear):
                    module.to(torch.bfloat16)

    @classmethod
    def load(
        cls, spec: "SentenceTransformers", files: ModelFiles, card: ModelCard, tokenizer: FileTokenizer
    ) -> "Encoder":
        """Load verified files onto the device."""
        if spec.threads:
            torch.set_num_threads(spec.threads)
        model, dimension = loaded_model(files, chosen_device(spec.device))
        if dimension != card.dimension:
            raise UsageError(
                f"model {card.name!r} gives vectors of {dimension} components, its settings say {card.dimension}; "
                f"its files in {files.folder} do not belong together"
            )
        return cls(model, spec, card, tokenizer)

    def embed(self, texts: Sequence[str]) -> Iterator[Sequence[tuple[int, Vector]]]:
        ids = self._tokenizer.ids(texts, self._spec.passage_prompt)
        lengths = [len(tokens) for tokens in ids]
        check_window(lengths, self.card.max_tokens)
        for number, batch in enumerate(length_buckets(lengths, self._spec.batch_positions), start=1):
            vectors = self._encode([ids[position] for position in batch])
            if self.device == "cpu" and number % BETWEEN_TRIMS == 0:
                give_back_heap()
            yield list(zip(batch, vectors, strict=True))

    def embed_query(self, text: str) -> Vector:
        """Return the vector of a query; what exceeds the window does not count."""
        ids = self._tokenizer.query_ids(text, self._spec.query_prompt)
        with _one_thread():
            return self._encode([ids])[0]

    def embed_queries(self, texts: Sequence[str]) -> list[Vector]:
        """Return the vectors of many queries, in their order: computed together, as passages are, which is faster."""
        ids = [self._tokenizer.query_ids(text, self._spec.query_prompt) for text in texts]
        return in_buckets(ids, self._spec.batch_positions, self._encode)

    def token_vectors(self, texts: Sequence[str]) -> list[NDArray[np.float32]]:
        """Return for each text the unit vectors of its tokens, (tokens, components); what exceeds the window does not
        count. Not every model of the library has them (UsageError)."""
        ids = [self._tokenizer.query_ids(text, "") for text in texts]
        found: dict[int, NDArray[np.float32]] = {}
        for batch in length_buckets([len(tokens) for tokens in ids], self._spec.batch_positions):
            output = self._output([ids[position] for position in batch])
            if "token_embeddings" not in output:
                raise UsageError(f"model {self.card.name!r} has no vectors of tokens; use another reranker")
            hidden = torch.nn.functional.normalize(output["token_embeddings"].float(), dim=-1).cpu().numpy()
            found |= {place: hidden[row, : len(ids[place])] for row, place in enumerate(batch)}
        return [found[place] for place in range(len(texts))]

    def _encode(self, ids: Sequence[Sequence[int]]) -> list[Vector]:
        """Return the vectors of one batch of token ids."""
        found = self._output(ids)["sentence_embedding"]
        how = f"in {self.precision} on {self.device}; try precision fp32"
        return unit_vectors(found.float().cpu().numpy(), self.card.name, how)

    def _output(self, ids: Sequence[Sequence[int]]) -> Mapping[str, torch.Tensor]:
        """Return what the model makes of one batch of token ids."""
        tokens, mask = (tensor.to(self.device) for tensor in padded(ids))
        low = torch.autocast(self.device, torch.bfloat16) if self.precision == "bf16" else nullcontext()
        with torch.inference_mode(), low, self._named_failure(ids):
            output: Mapping[str, torch.Tensor] = self._model({"input_ids": tokens, "attention_mask": mask})
        return output

    @contextmanager
    def _named_failure(self, ids: Sequence[Sequence[int]]) -> Iterator[None]:
        """Say which batch the model failed on: out of memory; a token that it does not know."""
        try:
            yield
        except (RuntimeError, IndexError) as error:
            raise BackendError(
                f"model {self.card.name!r} failed on a batch of {len(ids)} texts of up to "
                f"{max(map(len, ids))} tokens: {error}. A smaller token_budget needs less memory"
            ) from error


@contextmanager
def _one_thread() -> Iterator[None]:
    """Compute in this thread alone: for so few tokens others hardly help, and beside busy processors each of a hundred
    products waits for them, which makes a question twenty times as slow."""
    before = torch.get_num_threads()
    if before == 1:
        yield
        return
    torch.set_num_threads(1)
    try:
        yield
    finally:
        torch.set_num_threads(before)


def loaded_model(files: ModelFiles, device: str) -> tuple[torch.nn.Module, int | None]:
    """Return the model on its device and the dimension of its vectors; what is no plain BERT the library loads.

    Raises:
        UsageError: the files are damaged or do not belong together.
    """
    if is_plain_bert(files):
        bert = Bert.load(files)
        return bert.to(device), bert.dimension
    from llm_engineering.infrastructure.embedders.library_model import load_library_model

    model = load_library_model(files, device)
    return model, model.get_embedding_dimension()


def padded(ids: Sequence[Sequence[int]]) -> tuple[torch.Tensor, torch.Tensor]:
    """Return token ids and attention mask, both (texts, longest); the mask hides the padding, so its id is free."""
    tokens = torch.zeros((len(ids), max(map(len, ids))), dtype=torch.long)
    mask = torch.zeros_like(tokens)
    for row, sequence in enumerate(ids):
        tokens[row, : len(sequence)] = torch.tensor(sequence)
        mask[row, : len(sequence)] = 1
    return tokens, mask


def chosen_device(wanted: str) -> str:
    """Return the device to use.

    Raises:
        UsageError: the wanted one is not there.
    """
    there = {"cpu": True, "cuda": torch.cuda.is_available(), "mps": torch.backends.mps.is_available()}
    if wanted == "auto":
        return next(device for device in ("cuda", "mps", "cpu") if there[device])
    if not there[wanted]:
        available = ", ".join(device for device in there if there[device])
        raise UsageError(f"device is {wanted!r}, which this machine or this torch does not have; there is: {available}")
    return wanted


def chosen_precision(wanted: str, device: str) -> str:
    """Return the precision to use: bf16 only where the hardware computes in it, for elsewhere it is slower."""
    if wanted != "auto":
        return wanted
    fast = torch.cuda.is_bf16_supported() if device == "cuda" else device == "cpu" and has_amx()
    return "bf16" if fast else "fp32"
