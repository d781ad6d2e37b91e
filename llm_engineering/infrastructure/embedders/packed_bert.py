"""BERT for one short text at a time: its weights lie in memory as the processor multiplies them.

A query has some twenty tokens. For so few, rearranging the weights for each product costs as much as the products, and
a library call does not keep what it rearranged. Here it is kept, once more than the model itself (21 MB for
all-MiniLM-L6-v2). The vectors are those of the model under autocast, bit for bit: the same products in the same order.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor
from torch.nn import functional

from llm_engineering.infrastructure.embedders.bert import Bert

# Rows that the weights are laid out for; other numbers are right too.
ROWS = 32


@dataclass(frozen=True)
class PackedLinear:
    """A linear layer in bf16 as oneDNN lays it out."""

    weight: Tensor
    bias: Tensor

    @classmethod
    def of(cls, *layers: Any) -> "PackedLinear":
        """Return layers of the same input as one, their outputs side by side."""
        weight = torch.cat([layer.weight for layer in layers]).bfloat16()
        bias = torch.cat([layer.bias for layer in layers]).bfloat16()
        return cls(torch.ops.mkldnn._reorder_linear_weight(weight, ROWS), bias)

    def __call__(self, rows: Tensor) -> Tensor:
        """Turn (rows, inputs) in bf16 into (rows, outputs) in bf16."""
        product: Tensor = torch.ops.mkldnn._linear_pointwise(rows, self.weight, self.bias, "none", [], "")
        return product


class PackedLayer:
    """One layer of the encoder for one text."""

    def __init__(self, layer: Any) -> None:
        attention = layer.attention["self"]
        self.heads = layer.heads
        self.attention = PackedLinear.of(attention["query"], attention["key"], attention["value"])
        self.mixed = PackedLinear.of(layer.attention["output"].dense)
        self.wide = PackedLinear.of(layer.intermediate["dense"])
        self.narrow = PackedLinear.of(layer.output.dense)
        self.norms = layer.attention["output"].LayerNorm, layer.output.LayerNorm

    def __call__(self, hidden: Tensor) -> Tensor:
        """Turn (tokens, size) in fp32 into the same."""
        together = self.attention(hidden.bfloat16())
        parts = together.view(len(together), 3, 1, self.heads, -1).permute(1, 2, 3, 0, 4)
        query, key, value = parts  # each (1, heads, tokens, size / heads)
        mixed = functional.scaled_dot_product_attention(query, key, value)[0].transpose(0, 1).flatten(1)
        hidden = normalised(self.mixed(mixed) + hidden, self.norms[0])
        wide = functional.gelu(self.wide(hidden.bfloat16()))
        return normalised(self.narrow(wide) + hidden, self.norms[1])


class PackedBert:
    """The encoder and the mean over its tokens, for one text."""

    def __init__(self, bert: Bert) -> None:
        layers: Any = bert.encoder["layer"]
        self.embeddings = bert.embeddings
        with torch.inference_mode():
            self.layers = [PackedLayer(layer) for layer in layers]

    def vector(self, ids: Sequence[int]) -> Tensor:
        """Turn the token ids of a text into its vector (1, dimension), of any length."""
        with torch.inference_mode():
            hidden = self.embeddings(torch.tensor([ids]))[0]
            for layer in self.layers:
                hidden = layer(hidden)
            summed: Tensor = hidden.sum(0, keepdim=True)
            return summed / len(ids)


def normalised(rows: Tensor, norm: torch.nn.LayerNorm) -> Tensor:
    """Return the rows after a layer's normalisation."""
    return functional.layer_norm(rows, norm.normalized_shape, norm.weight, norm.bias, norm.eps)


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
