"""A GPT: token and position embeddings, blocks of causal attention and an MLP, and a head that scores every token.

Shapes: B texts of T tokens each, C channels, H heads of D = C / H channels, V tokens in the vocabulary, and S tokens
that attention looks at: T, and those that a cache holds from before.
"""

import math
from dataclasses import dataclass, field
from typing import Literal

import torch
from torch import Tensor, nn
from torch.nn import functional

from llm_engineering.domain.errors import UsageError

THETA = 10_000.0  # the slowest rotation of rotary positions turns once in 2π · 10,000 tokens


@dataclass(frozen=True)
class GptSettings:
    """What a model is made of. `width` is the longest text, in tokens, that it reads at once."""

    vocabulary: int
    width: int = 256
    layers: int = 4
    heads: int = 4
    channels: int = 128
    positions: Literal["learned", "rotary"] = "learned"
    tied: bool = True  # the head has the weights of the token embeddings
    dropout: float = 0.0  # of what is added; not of attention's weights, for which the fast kernels have no place
    attention: Literal["fused", "by_hand"] = "fused"

    def __post_init__(self) -> None:
        if self.channels % self.heads:
            raise UsageError(
                f"{self.channels} channels cannot be divided among {self.heads} heads; choose channels that can"
            )
        if self.positions == "rotary" and (self.channels // self.heads) % 2:
            raise UsageError(
                f"rotary positions turn pairs of channels, and a head has {self.channels // self.heads}; "
                "choose channels and heads so that each head has an even number"
            )


@dataclass
class Cache:
    """Keys and values of the tokens that were read, for each layer [B, H, S, D]: they need not be computed again."""

    keys: list[Tensor] = field(default_factory=list)
    values: list[Tensor] = field(default_factory=list)

    @property
    def length(self) -> int:
        """How many tokens were read."""
        return self.keys[0].shape[2] if self.keys else 0

    def extend(self, layer: int, key: Tensor, value: Tensor) -> tuple[Tensor, Tensor]:
        """Append what a layer made of new tokens, and return all it knows."""
        if layer == len(self.keys):
            self.keys.append(key)
            self.values.append(value)
        else:
            self.keys[layer] = torch.cat([self.keys[layer], key], dim=2)
            self.values[layer] = torch.cat([self.values[layer], value], dim=2)
        return self.keys[layer], self.values[layer]


class Linear(nn.Linear):
    """A linear layer that computes in the precision of its input; its weights are kept in fp32."""

    def forward(self, x: Tensor) -> Tensor:
        return functional.linear(x, self.weight.to(x.dtype), None if self.bias is None else self.bias.to(x.dtype))


class Norm(nn.LayerNorm):
    """Layer normalisation in the precision of its input."""

    def forward(self, x: Tensor) -> Tensor:
        return functional.layer_norm(x, x.shape[-1:], self.weight.to(x.dtype), self.bias.to(x.dtype), self.eps)


def causal_mask(new: int, known: int, device: torch.device | None = None) -> Tensor:
    """Return what each of the last `new` of `known` tokens may look at: itself, and what stands before it.

    >>> causal_mask(2, 3).int().tolist()
    [[1, 1, 0], [1, 1, 1]]
    """
    return torch.ones(new, known, dtype=torch.bool, device=device).tril(known - new)  # [T, S]


def attend(query: Tensor, key: Tensor, value: Tensor) -> Tensor:
    """Let each token gather the values of those before it, weighted by how well their keys fit its query."""
    fit = query @ key.transpose(-2, -1) / math.sqrt(query.shape[-1])  # [B, H, T, D] @ [B, H, D, S] → [B, H, T, S]
    if query.shape[2] > 1:
        unseen = ~causal_mask(fit.shape[-2], fit.shape[-1], fit.device)
        fit = fit.masked_fill(unseen, float("-inf"))
    weights = functional.softmax(fit, dim=-1)  # of each row the sum is 1, and what comes later has 0
    return weights @ value  # [B, H, T, S] @ [B, H, S, D] → [B, H, T, D]


def attend_fused(query: Tensor, key: Tensor, value: Tensor) -> Tensor:
    """Do what `attend` does in one kernel of PyTorch, which never writes the [T, S] weights down."""
    new, known = query.shape[2], key.shape[2]
    mask = causal_mask(new, known, query.device) if 1 < new < known else None
    return functional.scaled_dot_product_attention(
        query, key, value, attn_mask=mask, is_causal=new == known and new > 1
    )


def rotations(first: int, count: int, size: int, device: torch.device | None = None) -> tuple[Tensor, Tensor]:
    """Return cosine and sine, both [T, D], of how far each pair of channels is turned at each position."""
    speeds = THETA ** -(torch.arange(0, size, 2, device=device).float() / size)  # [D / 2]
    angles = torch.outer(torch.arange(first, first + count, device=device).float(), speeds)  # [T, D / 2]
    angles = torch.cat([angles, angles], dim=-1)  # [T, D]
    return angles.cos(), angles.sin()


def rotate(x: Tensor, cosine: Tensor, sine: Tensor) -> Tensor:
    """Turn channel i together with channel i + D / 2, so that products of two tokens tell how far apart they are.

    Su et al. 2021 (https://arxiv.org/abs/2104.09864), with the pairs as GPT-NeoX takes them.
    """
    left, right = x.chunk(2, dim=-1)
    return x * cosine.to(x.dtype) + torch.cat([-right, left], dim=-1) * sine.to(x.dtype)


class Attention(nn.Module):
    """Causal multi-head attention."""

    def __init__(self, settings: GptSettings, layer: int) -> None:
        super().__init__()
        self.settings, self.layer = settings, layer
        self.project = Linear(settings.channels, 3 * settings.channels)
        self.output = Linear(settings.channels, settings.channels)

    def forward(self, x: Tensor, turned: tuple[Tensor, Tensor] | None, cache: Cache | None) -> Tensor:
        batch, length, channels = x.shape
        heads = self.settings.heads
        # [B, T, C] → [B, T, 3 · C] → [B, T, 3, H, D] → three of [B, H, T, D]
        parts = self.project(x).view(batch, length, 3, heads, channels // heads).permute(2, 0, 3, 1, 4)
        query, key, value = parts.unbind(0)
        if turned is not None:
            query, key = rotate(query, *turned), rotate(key, *turned)
        if cache is not None:
            key, value = cache.extend(self.layer, key, value)
        work = attend_fused if self.settings.attention == "fused" else attend
        gathered = work(query, key, value)  # [B, H, T, D]
        joined: Tensor = self.output(gathered.transpose(1, 2).reshape(batch, length, channels))  # [B, T, C]
        return joined


class Block(nn.Module):
    """Attention among the tokens, then an MLP at each of them; both add to what flows past."""

    def __init__(self, settings: GptSettings, layer: int) -> None:
        super().__init__()
        self.before_attention = Norm(settings.channels)
        self.attention = Attention(settings, layer)
        self.before_mlp = Norm(settings.channels)
        self.widen = Linear(settings.channels, 4 * settings.channels)
        self.narrow = Linear(4 * settings.channels, settings.channels)
        self.drop = nn.Dropout(settings.dropout)

    def forward(self, x: Tensor, turned: tuple[Tensor, Tensor] | None, cache: Cache | None) -> Tensor:
        x = x + self.drop(self.attention(self.before_attention(x), turned, cache))  # [B, T, C]
        hidden = functional.gelu(self.widen(self.before_mlp(x)))  # [B, T, 4 · C]
        added: Tensor = self.drop(self.narrow(hidden))  # [B, T, C]
        return x + added


class Gpt(nn.Module):
    """The whole model. `compute` is the precision that it computes in; the weights stay in fp32."""

    def __init__(self, settings: GptSettings, seed: int = 0) -> None:
        super().__init__()
        self.settings = settings
        self.compute = torch.float32
        self.tokens = nn.Embedding(settings.vocabulary, settings.channels)
        self.places = nn.Embedding(settings.width, settings.channels) if settings.positions == "learned" else None
        self.drop = nn.Dropout(settings.dropout)
        self.blocks = nn.ModuleList(Block(settings, layer) for layer in range(settings.layers))
        self.norm = Norm(settings.channels)
        self.head = Linear(settings.channels, settings.vocabulary, bias=False)
        if settings.tied:
            self.head.weight = self.tokens.weight
        self._draw(torch.Generator().manual_seed(seed))

    def forward(self, ids: Tensor, cache: Cache | None = None) -> Tensor:
        """Return for each token of ids [B, T] the scores (logits) of all that could come next, [B, T, V] in fp32.

        With a cache, ids are those that follow what the cache holds.

        Raises:
            UsageError: text and cache together are longer than the model reads.
        """
        first, length = cache.length if cache else 0, ids.shape[1]
        if first + length > self.settings.width:
            raise UsageError(
                f"the model reads {self.settings.width} tokens at once; it was given {first + length}. Give it the "
                "last ones"
            )
        x = self.tokens(ids)  # [B, T, C]
        turned = None
        if self.places is not None:
            x = x + self.places.weight[first : first + length]  # [B, T, C] + [T, C]
        else:
            turned = rotations(first, length, self.settings.channels // self.settings.heads, ids.device)
        x = self.drop(x.to(self.compute))
        for block in self.blocks:
            x = block(x, turned, cache)
        logits: Tensor = self.head(self.norm(x))  # [B, T, V]
        return logits.float()

    def loss(self, ids: Tensor, targets: Tensor) -> Tensor:
        """Return the mean over all tokens of -log(probability of the one that does come next), in nats."""
        return functional.cross_entropy(self(ids).flatten(0, 1), targets.flatten())

    def _draw(self, drawing: torch.Generator) -> None:
        """Draw the first weights: small where many channels are added up, smaller where a layer adds to the sum.

        That is GPT-2's 0.02 at its 768 channels; a narrow model that begins with so little learns slowly at first
        (Nguyen and Salazar 2019, https://arxiv.org/abs/1910.05895).
        """
        spread = math.sqrt(2 / (5 * self.settings.channels))
        for name, weight in self.named_parameters():
            if weight.dim() == 2:
                adds = name.endswith(("attention.output.weight", "narrow.weight"))
                nn.init.normal_(
                    weight, 0.0, spread / math.sqrt(2 * self.settings.layers) if adds else spread, generator=drawing
                )
            elif not name.endswith(("norm.weight", "before_attention.weight", "before_mlp.weight")):
                nn.init.zeros_(weight)


def weights_in(model: nn.Module) -> int:
    """Return how many weights a model has, shared ones once."""
    return sum(weight.numel() for weight in model.parameters())
