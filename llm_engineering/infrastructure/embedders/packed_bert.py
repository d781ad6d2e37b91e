"""BERT for one short text at a time: its weights lie in memory as the processor multiplies them, in one compiled call.

A query has some twenty tokens. For so few, rearranging the weights for each product costs as much as the products, and
a library call does not keep what it rearranged. Here it is kept, once more than the model itself (21 MB for
all-MiniLM-L6-v2). The vectors are those of the model under autocast, bit for bit: the same products in the same order.

The whole encoder is one TorchScript call, which releases the interpreter's lock once. Called from Python, each of its
some hundred operations gives the lock away and waits to get it back: beside one other busy thread a query took 100 ms
instead of 6.
"""

import warnings
from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor
from torch.nn import functional

from llm_engineering.infrastructure.embedders.bert import Bert

# Rows that the weights are laid out for; other numbers are right too.
ROWS = 32


def encoded(tokens: Tensor, heads: int, epsilon: float, embeddings: list[Tensor], layers: list[list[Tensor]]) -> Tensor:
    """Turn token ids (tokens,) into the mean over the hidden states of the last layer (1, size). TorchScript."""
    words, positions, segment, weight, bias = embeddings
    hidden = functional.embedding(tokens, words) + segment + positions[: tokens.size(0)]
    hidden = functional.layer_norm(hidden, [hidden.size(1)], weight, bias, epsilon)  # (tokens, size)
    for layer in layers:
        inputs = torch.ops.mkldnn._linear_pointwise(hidden.to(torch.bfloat16), layer[0], layer[1], "none", [], "")
        parts = inputs.view(inputs.size(0), 3, 1, heads, -1).permute(1, 2, 3, 0, 4)  # (3, 1, heads, tokens, size/heads)
        attended = functional.scaled_dot_product_attention(parts[0], parts[1], parts[2])
        mixed = attended[0].transpose(0, 1).flatten(1)
        added = torch.ops.mkldnn._linear_pointwise(mixed, layer[2], layer[3], "none", [], "") + hidden
        hidden = functional.layer_norm(added, [added.size(1)], layer[4], layer[5], epsilon)
        wide = torch.ops.mkldnn._linear_pointwise(hidden.to(torch.bfloat16), layer[6], layer[7], "none", [], "")
        narrow = torch.ops.mkldnn._linear_pointwise(functional.gelu(wide), layer[8], layer[9], "none", [], "")
        added = narrow + hidden
        hidden = functional.layer_norm(added, [added.size(1)], layer[10], layer[11], epsilon)
    return hidden.sum(0, keepdim=True) / tokens.size(0)


class PackedBert:
    """The encoder and the mean over its tokens, for one text."""

    def __init__(self, bert: Bert) -> None:
        layers: Any = bert.encoder["layer"]
        found = bert.embeddings
        norm = found.LayerNorm
        self._heads: int = layers[0].heads
        self._epsilon: float = norm.eps
        with torch.inference_mode():
            segment = found.token_type_embeddings.weight[0].clone()
            tables = (found.word_embeddings.weight, found.position_embeddings.weight)
            self._embeddings = [*tables, segment, norm.weight, norm.bias]
            self._layers = [_packed_layer(layer) for layer in layers]
        with warnings.catch_warnings():
            # torch would rather have its compiler used, which needs a C++ compiler on the user's machine.
            warnings.simplefilter("ignore")
            self._encoded: Any = torch.jit.script(encoded)

    def vector(self, ids: Sequence[int]) -> Tensor:
        """Turn the token ids of a text into its vector (1, dimension), of any length."""
        with torch.inference_mode():
            found: Tensor = self._encoded(torch.tensor(ids), self._heads, self._epsilon, self._embeddings, self._layers)
        return found


def _packed_layer(layer: Any) -> list[Tensor]:
    """Return the weights of a layer in the order that they are used in; query, key and value are one product."""
    attention = layer.attention["self"]
    added, output = layer.attention["output"], layer.output
    return [
        *_packed_linear(attention["query"], attention["key"], attention["value"]),
        *_packed_linear(added.dense),
        *(added.LayerNorm.weight, added.LayerNorm.bias),
        *_packed_linear(layer.intermediate["dense"]),
        *_packed_linear(output.dense),
        *(output.LayerNorm.weight, output.LayerNorm.bias),
    ]


def _packed_linear(*layers: Any) -> tuple[Tensor, Tensor]:
    """Return linear layers of the same input as one in bf16, as oneDNN lays it out: weight and bias."""
    weight = torch.cat([layer.weight for layer in layers]).bfloat16()
    bias = torch.cat([layer.bias for layer in layers]).bfloat16()
    return torch.ops.mkldnn._reorder_linear_weight(weight, ROWS), bias


def packed(model: torch.nn.Module) -> PackedBert | None:
    """Return the model with packed weights, or None where it is another kind or this torch cannot pack them.

    Packing is no public part of torch: what fails, or gives other vectors than the model, is not used.
    """
    if not isinstance(model, Bert) or not torch._C._has_mkldnn:
        return None
    probe = [1, *range(2, 20)]
    features = {"input_ids": torch.tensor([probe]), "attention_mask": torch.ones((1, len(probe)), dtype=torch.long)}
    try:
        found = PackedBert(model)
        vector = found.vector(probe)
    except (AttributeError, RuntimeError, TypeError):
        return None
    with torch.inference_mode(), torch.autocast("cpu", torch.bfloat16):
        wanted = model(features)["sentence_embedding"]
    return found if torch.nn.functional.cosine_similarity(vector, wanted.float()).item() > 0.9999 else None
