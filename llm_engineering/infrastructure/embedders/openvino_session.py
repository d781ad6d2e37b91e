"""A plain BERT in OpenVINO, in bf16 where the processor multiplies that in hardware (AMX, AVX512-BF16), else in fp32.

It reads the same graph as ONNX Runtime, and is lent the same weights; it starts in a third of a second.
"""

import threading
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from llm_engineering.infrastructure.cores import available_cores
from llm_engineering.infrastructure.embedders.bert_graph import Unfit, Weights, bert_graph, weights_of
from llm_engineering.infrastructure.embedders.engines import has_bf16
from llm_engineering.infrastructure.embedders.model_files import ModelFiles

if TYPE_CHECKING:
    from onnx import ModelProto

# Rows are padded to a multiple of this: for each new shape the library makes plans and keeps them, up to 70 MB in a
# run. With 8, the last bits of four times as many vectors depend on the batch.
STEP = 16


class OpenVinoSession:
    """The model, as OpenVINO computes it."""

    def __init__(self, files: ModelFiles, threads: int, precision: str, callers: int) -> None:
        """Load verified files.

        Args:
            files: The model.
            threads: How many compute a batch; 0: as many as there are cores.
            precision: As in the settings of the embedder.
            callers: How many batches may come at the same time.

        Raises:
            Unfit: settings and weights do not belong together, or the library refuses the graph.
        """
        try:
            import openvino

            config = files.settings("config.json")
            graph, lent = bert_graph(config, weights_of(files))
        except ImportError as error:  # not every platform has it
            raise Unfit(f"{error.name} is not installed") from error
        low = precision == "bf16" or (precision == "auto" and has_bf16())
        self.how = "in bf16 in OpenVINO; try precision fp32" if low else "in fp32 in OpenVINO"
        self._lent = lent  # the library computes with this memory, and does not hold it
        self._words, self._positions = int(config["vocab_size"]), int(config["max_position_embeddings"])
        settings = {
            "INFERENCE_PRECISION_HINT": "bf16" if low else "f32",
            "INFERENCE_NUM_THREADS": (threads or available_cores()) * callers,
            "NUM_STREAMS": callers,  # without them, callers stand in line
            # By itself it binds its threads to cores, which all processes of a machine would choose alike.
            "ENABLE_CPU_PINNING": False,
            "ENABLE_HYPER_THREADING": True,
        }
        try:
            core = openvino.Core()
            model = _with_weights(core.read_model(_open_graph(graph, lent).SerializeToString()), lent)
            self._model = core.compile_model(model, "CPU", settings)
        except RuntimeError as error:
            raise Unfit(f"OpenVINO refuses its graph: {error}") from error
        self.dimension = int(self._model.output("token_embeddings").partial_shape[2].get_length())
        self._local = threading.local()

    def run(self, inputs: Mapping[str, NDArray[np.int64]]) -> NDArray[np.float32]:
        """Return the vectors of the tokens of one batch."""
        self._check(inputs)
        tokens = inputs["input_ids"].shape[1]
        padded = {name: np.pad(values, ((0, 0), (0, -tokens % STEP))) for name, values in inputs.items()}
        if not hasattr(self._local, "request"):  # one for each thread: it holds what is computed
            self._local.request = self._model.create_infer_request()
        found: Any = self._local.request.infer(padded, share_inputs=True)["token_embeddings"]
        return np.asarray(found[:, :tokens], dtype=np.float32)

    def _check(self, inputs: Mapping[str, NDArray[np.int64]]) -> None:
        """Refuse what the library would compute something for."""
        token, last = inputs["input_ids"].max(), inputs["position_ids"].max()
        if token >= self._words:
            raise IndexError(f"token {token} of a vocabulary of {self._words}")
        if last >= self._positions:
            raise IndexError(f"{last + 1} tokens for {self._positions} positions")


def _open_graph(graph: "ModelProto", lent: Weights) -> "ModelProto":
    """Return the graph with inputs in place of the weights that are lent: the library reads them from files else."""
    from onnx import TensorProto, helper

    own = [constant for constant in graph.graph.initializer if constant.name not in lent]
    del graph.graph.initializer[:]
    graph.graph.initializer.extend(own)
    kind = TensorProto.FLOAT
    graph.graph.input.extend(helper.make_tensor_value_info(name, kind, one.shape) for name, one in lent.items())
    return graph


def _with_weights(model: Any, lent: Weights) -> Any:
    """Put the weights where the graph has inputs for them. They are shared, not copied."""
    import openvino
    from openvino import op

    for parameter in model.get_parameters():
        weights = lent.get(parameter.get_friendly_name())
        if weights is not None:
            constant = op.Constant(openvino.Tensor(weights, shared_memory=True), shared_memory=True)
            parameter.output(0).replace(constant.output(0))
            model.remove_parameter(parameter)
    model.validate_nodes_and_infer_types()
    return model
