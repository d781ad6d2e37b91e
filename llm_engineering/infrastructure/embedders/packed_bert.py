"""BERT in bf16 on a processor: its weights lie in memory as the processor multiplies them, in one compiled call.

A query has some twenty tokens. For so few, rearranging the weights for each product costs as much as the products, and
a library call does not keep what it rearranged. Here it is kept, once more than the model itself (21 MB for
all-MiniLM-L6-v2). Batches of passages gain from what is done once instead of three times: query, key and value are one
product, its input is rounded to bf16 once, and the activation is computed where the product still lies in a register,
before it is rounded. The vectors are as near to those in fp32 as the model's under autocast.

The whole encoder is one TorchScript call, which releases the interpreter's lock once. Called from Python, each of its
some hundred operations gives the lock away and waits to get it back: beside one other busy thread a query took 100 ms
instead of 6.
"""

import warnings
from typing import Any

import torch
from torch import Tensor
from torch.nn import functional

from llm_engineering.infrastructure.embedders.bert import Bert

# Rows that the weights are laid out for; other numbers are right too.
ROWS = 32


def encoded(
    tokens: Tensor, mask: Tensor, heads: int, epsilon: float, embeddings: list[Tensor], layers: list[list[Tensor]]
) -> Tensor:
    """Turn token ids and their mask, both (texts, tokens), into the means over the last hidden states (texts, size).

    The mask is 1 where there is a token, and 0 where there is padding. TorchScript.
    """
    words, positions, segment, weight, bias = embeddings
    seen = mask[:, None, None, :] > 0
    hidden = functional.embedding(tokens, words) + segment + positions[: tokens.size(1)]
    hidden = functional.layer_norm(hidden, [hidden.size(2)], weight, bias, epsilon)  # (texts, tokens, size)
    for layer in layers:
        hidden = after_layer(hidden, seen, heads, epsilon, layer)
    shown = mask[:, :, None].to(hidden.dtype)
    return (hidden * shown).sum(1) / shown.sum(1)


def after_layer(hidden: Tensor, seen: Tensor, heads: int, epsilon: float, layer: list[Tensor]) -> Tensor:
    """Turn fp32 hidden states (texts, tokens, size) into the next; products take and give bf16. TorchScript."""
    inputs = product(hidden.to(torch.bfloat16), layer[0], layer[1])
    parts = inputs.view(inputs.size(0), inputs.size(1), 3, heads, -1).permute(
        2, 0, 3, 1, 4
    )  # (3, texts, heads, tokens, size / heads)
    if hidden.size(0) == 1:  # no padding
        mixed = functional.scaled_dot_product_attention(parts[0], parts[1], parts[2])
    else:
        mixed = functional.scaled_dot_product_attention(parts[0], parts[1], parts[2], attn_mask=seen)
    added = product(mixed.transpose(1, 2).flatten(2), layer[2], layer[3]) + hidden
    hidden = functional.layer_norm(added, [added.size(2)], layer[4], layer[5], epsilon)
    wide = product(hidden.to(torch.bfloat16), layer[6], layer[7], "gelu", "none")
    added = product(wide, layer[8], layer[9]) + hidden
    return functional.layer_norm(added, [added.size(2)], layer[10], layer[11], epsilon)


def product(inputs: Tensor, weight: Tensor, bias: Tensor, after: str = "none", how: str = "") -> Tensor:
    """Return a linear layer's output, for a weight that `_packed_linear` laid out, after a function. TorchScript."""
    found: Tensor = torch.ops.mkldnn._linear_pointwise(inputs, weight, bias, after, [], how)
    return found


class PackedBert:
    """The encoder and the mean over its tokens."""

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

    def means(self, tokens: Tensor, mask: Tensor) -> Tensor:
        """Turn token ids and their mask, both (texts, tokens), into vectors (texts, dimension), of any length."""
        with torch.inference_mode():
            found: Tensor = self._encoded(tokens, mask, self._heads, self._epsilon, self._embeddings, self._layers)
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
    probe = torch.tensor([range(2, 20), [*range(2, 10), *[0] * 10]])
    mask = torch.tensor([[1] * 18, [1] * 8 + [0] * 10])
    try:
        found = PackedBert(model)
        vectors = found.means(probe, mask)
    except (AttributeError, RuntimeError, TypeError):
        return None
    with torch.inference_mode(), torch.autocast("cpu", torch.bfloat16):
        wanted = model({"input_ids": probe, "attention_mask": mask})["sentence_embedding"]
    nearness = torch.nn.functional.cosine_similarity(vectors, wanted.float())
    return found if nearness.min().item() > 0.9999 else None
