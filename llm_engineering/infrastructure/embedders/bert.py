"""BERT with mean pooling in plain torch: the family of all-MiniLM, E5, GTE and BGE's small siblings.

Importing transformers and sentence-transformers takes some ten seconds of a processor, more than a small run needs for
everything else. A model that is nothing but an encoder of this kind is therefore loaded here; any other is left to the
library. The vectors are the library's to the last few bits. (Devlin et al. 2019; Reimers and Gurevych 2019.)
"""

from collections.abc import Mapping
from typing import Any

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file
from torch import Tensor, nn
from torch.nn import functional

from llm_engineering.domain.errors import UsageError
from llm_engineering.infrastructure.embedders.model_files import ModelFiles


class Linear(nn.Linear):
    """A linear layer whose weights come from a file: drawing random ones first would cost seconds."""

    def reset_parameters(self) -> None:
        """Leave the weights as they are."""


class Embedding(nn.Embedding):
    """An embedding whose weights come from a file."""

    def reset_parameters(self) -> None:
        """Leave the weights as they are."""


class Bert(nn.Module):
    """The encoder and the mean over its tokens. Names of parameters are those in the files."""

    def __init__(self, config: Mapping[str, Any]) -> None:
        super().__init__()
        self.dimension = int(config["hidden_size"])
        layers = (Layer(config) for _ in range(config["num_hidden_layers"]))
        self.embeddings = Embeddings(config)
        self.encoder = nn.ModuleDict({"layer": nn.ModuleList(layers)})

    @classmethod
    def load(cls, files: ModelFiles) -> "Bert":
        """Read the weights.

        Raises:
            UsageError: they are damaged, or not those that the settings describe.
        """
        try:
            model = cls(files.settings("config.json"))
            stored = load_file(files.folder / "model.safetensors")
            weights = {name.removeprefix("bert."): tensor.float() for name, tensor in stored.items()}
            used = {name: weights[name] for name in model.state_dict()}
            model.load_state_dict(used, assign=True)
        except (SafetensorError, KeyError, ValueError, TypeError, RuntimeError, OSError) as error:
            raise UsageError(f"model {files.name!r} in {files.folder} cannot be loaded: {error!r}") from error
        return model

    def forward(self, features: Mapping[str, Tensor]) -> dict[str, Tensor]:
        """Turn `input_ids` and `attention_mask`, both (texts, tokens), into `sentence_embedding` (texts, dimension).

        `token_embeddings` (texts, tokens, dimension) is what it is the mean of.
        """
        mask = features["attention_mask"]
        seen = mask[:, None, None, :].bool()  # (texts, 1, 1, tokens)
        hidden = self.embeddings(features["input_ids"])
        layers: Any = self.encoder["layer"]
        for layer in layers:
            hidden = layer(hidden, seen)
        weights = mask[:, :, None].to(hidden.dtype)
        pooled = (hidden * weights).sum(1) / weights.sum(1).clamp(min=1e-9)
        return {"sentence_embedding": pooled, "token_embeddings": hidden}


class Embeddings(nn.Module):
    """Words, their positions, and the one kind of segment that single texts have."""

    def __init__(self, config: Mapping[str, Any]) -> None:
        super().__init__()
        size = config["hidden_size"]
        self.word_embeddings = Embedding(config["vocab_size"], size)
        self.position_embeddings = Embedding(config["max_position_embeddings"], size)
        self.token_type_embeddings = Embedding(config["type_vocab_size"], size)
        self.LayerNorm = nn.LayerNorm(size, eps=config["layer_norm_eps"])

    def forward(self, tokens: Tensor) -> Tensor:
        positions = torch.arange(tokens.shape[1], device=tokens.device)
        words = self.word_embeddings(tokens) + self.token_type_embeddings.weight[0]
        embedded: Tensor = self.LayerNorm(words + self.position_embeddings(positions))
        return embedded


class Layer(nn.Module):
    """Self-attention and a feed-forward network, each added to its input and normalised."""

    def __init__(self, config: Mapping[str, Any]) -> None:
        super().__init__()
        size, inner = config["hidden_size"], config["intermediate_size"]
        self.heads = config["num_attention_heads"]
        parts = ("query", "key", "value")
        self.attention = nn.ModuleDict(
            {"self": nn.ModuleDict({part: Linear(size, size) for part in parts}), "output": Added(config, size)}
        )
        self.intermediate = nn.ModuleDict({"dense": Linear(size, inner)})
        self.output = Added(config, inner)

    def forward(self, hidden: Tensor, seen: Tensor) -> Tensor:
        """Turn (texts, tokens, size) into the same; `seen` hides the padding."""
        attention: Any = self.attention
        parts = attention["self"]
        query, key, value = (
            parts[part](hidden).unflatten(-1, (self.heads, -1)).transpose(1, 2) for part in ("query", "key", "value")
        )  # each (texts, heads, tokens, size / heads)
        mixed = functional.scaled_dot_product_attention(query, key, value, attn_mask=seen)
        hidden = attention["output"](mixed.transpose(1, 2).flatten(2), hidden)
        added: Tensor = self.output(functional.gelu(self.intermediate["dense"](hidden)), hidden)
        return added


class Added(nn.Module):
    """A linear layer whose output is added to what came before it."""

    def __init__(self, config: Mapping[str, Any], size: int) -> None:
        super().__init__()
        self.dense = Linear(size, config["hidden_size"])
        self.LayerNorm = nn.LayerNorm(config["hidden_size"], eps=config["layer_norm_eps"])

    def forward(self, hidden: Tensor, before: Tensor) -> Tensor:
        added: Tensor = self.LayerNorm(self.dense(hidden) + before)
        return added
