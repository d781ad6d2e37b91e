"""A plain BERT as a graph for ONNX Runtime and OpenVINO, from its settings and weights: no torch, no exporter, no file.

The graph has 13 kB; the weights are lent to them as they were read from the verified safetensors file. So
there is no copy of a model that could be cut short, grow old, or be another's; making one takes 0.2 s.
"""

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from llm_engineering.infrastructure.embedders.model_files import ModelFiles

if TYPE_CHECKING:
    from onnx import ModelProto, NodeProto, TensorProto

Weights = Mapping[str, NDArray[np.float32]]
# The last with ONNX's own Gelu; and the version of the format that came with it.
OPSET, FORMAT = 20, 9
# ONNX Runtime's fused attention: scaled, softmaxed and masked by `attention_mask`. It is twice as fast as its parts.
FUSED = "com.microsoft"


class Unfit(Exception):  # noqa: N818 - no failure: torch computes the model then
    """The files are not what the graph is made for."""


def weights_of(files: ModelFiles) -> dict[str, NDArray[np.float32]]:
    """Read the weights as fp32, under the names that they have in BERT alone.

    Raises:
        Unfit: the file is damaged, or holds numbers of another kind.
    """
    from safetensors import SafetensorError, deserialize

    try:
        stored = deserialize((files.folder / "model.safetensors").read_bytes())  # type: ignore[no-untyped-call]
    except (SafetensorError, OSError) as error:
        raise Unfit(f"model.safetensors cannot be read: {error}") from error
    return {name.removeprefix("bert."): _array(name, tensor) for name, tensor in stored if _is_number(tensor)}


def _is_number(tensor: Mapping[str, Any]) -> bool:
    return str(tensor["dtype"]) not in ("I64", "I32", "U8", "BOOL")  # such as position_ids, which nothing reads


def _array(name: str, tensor: Mapping[str, Any]) -> NDArray[np.float32]:
    kind, data = str(tensor["dtype"]), tensor["data"]
    if kind == "BF16":  # the upper half of a float32
        flat = (np.frombuffer(data, "<u2").astype("<u4") << 16).view("<f4")
    elif kind in ("F32", "F16", "F64"):
        flat = np.frombuffer(data, f"<f{int(kind[1:]) // 8}").astype("<f4", copy=False)
    else:
        raise Unfit(f"the weights {name!r} are of type {kind}")
    return flat.reshape(tensor["shape"])


def bert_graph(config: Mapping[str, Any], weights: Weights) -> "tuple[ModelProto, dict[str, NDArray[np.float32]]]":
    """Return the graph, and the weights that it wants lent, by name.

    Inputs, laid out by `rows.py`, are `input_ids`, `position_ids` (the place of a token in its text) and `text_ids`
    (tokens see those of their own text alone), int64 (rows, tokens); the output is `token_embeddings`, float32 (rows,
    tokens, dimension).

    Raises:
        Unfit: weights are missing, or not of the shape that the settings describe.
    """
    try:
        graph = _Graph(config, weights)
        graph.build()
        return graph.model(), graph.lent
    except (KeyError, TypeError, ValueError, ZeroDivisionError) as error:
        raise Unfit(f"settings and weights do not fit: {error!r}") from error


class _Graph:
    """Nodes and weights, as they are added."""

    def __init__(self, config: Mapping[str, Any], weights: Weights) -> None:
        self.size = int(config["hidden_size"])
        self.inner = int(config["intermediate_size"])
        self.layers = int(config["num_hidden_layers"])
        self.heads = int(config["num_attention_heads"])
        self.epsilon = float(config["layer_norm_eps"])
        self.words, self.positions = int(config["vocab_size"]), int(config["max_position_embeddings"])
        if self.size % self.heads:
            raise ValueError(f"hidden_size {self.size} is no multiple of {self.heads} heads")
        self.weights = weights
        self.lent: dict[str, NDArray[np.float32]] = {}
        self._constants: dict[str, TensorProto] = {}
        self._nodes: list[NodeProto] = []

    def build(self) -> None:
        """Add the nodes from the token ids to the tokens' vectors."""
        ones = self.add("Unsqueeze", ["text_ids", self.constant("2", [2])])
        others = self.add("Unsqueeze", ["text_ids", self.constant("1", [1])])
        mask = self.add("Cast", [self.add("Equal", [ones, others])], to=6)  # int32, as the fused attention wants it
        hidden = self._embeddings()
        for number in range(self.layers):
            hidden = self._layer(hidden, mask, f"encoder.layer.{number}.")
        self.add("Identity", [hidden], "token_embeddings")

    def _embeddings(self) -> str:
        name = "embeddings.{}_embeddings.weight"
        words = self.lend(name.format("word"), (self.words, self.size))
        positions = self.lend(name.format("position"), (self.positions, self.size))
        segment = self._lend("segment", self.weights[name.format("token_type")][:1], (1, self.size))
        found = self.add("Add", [self.add("Gather", [words, "input_ids"]), segment])
        places = self.add("Gather", [positions, "position_ids"])
        return self._normalised(self.add("Add", [found, places]), "embeddings.LayerNorm")

    def _layer(self, hidden: str, mask: str, name: str) -> str:
        """Self-attention and a feed-forward network, each added to its input and normalised."""
        parts = [f"{name}attention.self.{part}" for part in ("query", "key", "value")]
        inputs = np.concatenate([self.weights[f"{part}.weight"].T for part in parts], axis=1)
        biases = np.concatenate([self.weights[f"{part}.bias"] for part in parts])
        weight = self._lend(f"{name}inputs.weight", inputs, (self.size, 3 * self.size))
        bias = self._lend(f"{name}inputs.bias", biases, (3 * self.size,))
        mixed = self.add("Attention", [hidden, weight, bias, mask], domain=FUSED, num_heads=self.heads)
        hidden = self._added(mixed, hidden, f"{name}attention.output", self.size)
        wide = self.add("Gelu", [self._linear(hidden, f"{name}intermediate.dense", self.size, self.inner)])
        return self._added(wide, hidden, f"{name}output", self.inner)

    def _added(self, hidden: str, before: str, name: str, inputs: int) -> str:
        found = self._linear(hidden, f"{name}.dense", inputs, self.size)
        return self._normalised(self.add("Add", [found, before]), f"{name}.LayerNorm")

    def _linear(self, hidden: str, name: str, inputs: int, outputs: int) -> str:
        weight = self._lend(f"{name}.weight", self.weights[f"{name}.weight"].T, (inputs, outputs))
        return self.add("Add", [self.add("MatMul", [hidden, weight]), self.lend(f"{name}.bias", (outputs,))])

    def _normalised(self, hidden: str, name: str) -> str:
        scale, shift = (self.lend(f"{name}.{part}", (self.size,)) for part in ("weight", "bias"))
        return self.add("LayerNormalization", [hidden, scale, shift], epsilon=self.epsilon)

    def lend(self, name: str, shape: tuple[int, ...]) -> str:
        """Name weights that are used as they are stored."""
        return self._lend(name, self.weights[name], shape)

    def _lend(self, name: str, weights: NDArray[np.float32], shape: tuple[int, ...]) -> str:
        if weights.shape != shape:
            raise ValueError(f"{name} has the shape {weights.shape}, the settings say {shape}")
        self.lent[name] = np.ascontiguousarray(weights)
        return name

    def constant(self, name: str, value: list[int]) -> str:
        """Name a small constant of int64."""
        from onnx import numpy_helper

        self._constants[name] = numpy_helper.from_array(np.array(value, dtype=np.int64), name)
        return name

    def add(self, kind: str, inputs: list[str], output: str = "", **settings: Any) -> str:
        """Add a node, and return the name of its output."""
        from onnx import helper

        output = output or f"n{len(self._nodes)}"
        self._nodes.append(helper.make_node(kind, inputs, [output], **settings))
        return output

    def model(self) -> "ModelProto":
        """Return the finished graph."""
        from onnx import TensorProto, helper

        ids = [
            helper.make_tensor_value_info(name, TensorProto.INT64, ["rows", "tokens"])
            for name in ("input_ids", "position_ids", "text_ids")
        ]
        found = helper.make_tensor_value_info("token_embeddings", TensorProto.FLOAT, ["rows", "tokens", self.size])
        lent = [_placeholder(name, weights) for name, weights in self.lent.items()]
        graph = helper.make_graph(self._nodes, "bert", ids, [found], [*lent, *self._constants.values()])
        versions = [helper.make_opsetid("", OPSET), helper.make_opsetid(FUSED, 1)]
        return helper.make_model(graph, opset_imports=versions, ir_version=FORMAT)


def _placeholder(name: str, weights: NDArray[np.float32]) -> "TensorProto":
    """Return an entry that says that these weights are elsewhere; the runtime is given them by this name."""
    from onnx import TensorProto

    found = TensorProto(name=name, data_type=TensorProto.FLOAT, dims=weights.shape, data_location=TensorProto.EXTERNAL)
    for key, value in (("location", "lent"), ("offset", "0"), ("length", str(weights.nbytes))):
        found.external_data.add(key=key, value=value)
    return found
