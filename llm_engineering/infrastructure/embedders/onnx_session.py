"""A plain BERT in ONNX Runtime, in fp32, on the CPU. It starts in half a second."""

from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from llm_engineering.infrastructure.embedders.bert_graph import Unfit, bert_graph, weights_of
from llm_engineering.infrastructure.embedders.model_files import ModelFiles

_ERRORS_ALONE = 3  # what the runtime logs; else it would tell of each of its optimisations that found nothing
# Added and normalised in one, a batch takes four times as long as in two (1.28): 7 % of the whole.
_SLOWER = ["SkipLayerNormFusion"]


class OnnxSession:
    """The model, as ONNX Runtime computes it."""

    how = "in fp32 in ONNX Runtime"

    def __init__(self, files: ModelFiles, threads: int) -> None:
        """Load verified files. `threads` is how many compute; 0: as many as there are cores.

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
            self._session = onnxruntime.InferenceSession(
                model.SerializeToString(),
                options,
                providers=["CPUExecutionProvider"],
                disabled_optimizers=_SLOWER,
            )
        except Exception as error:  # the runtime has exceptions for each of its codes, without a common base
            raise Unfit(f"ONNX Runtime refuses its graph: {error}") from error
        self.dimension = int(self._session.get_outputs()[0].shape[2])

    def run(self, inputs: Mapping[str, NDArray[np.int64]]) -> NDArray[np.float32]:
        """Return the vectors of the tokens of one batch."""
        found: Any = self._session.run(None, dict(inputs))[0]
        return np.asarray(found, dtype=np.float32)
