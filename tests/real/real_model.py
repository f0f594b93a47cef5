"""What the real-model tests share: the prompt, the answer that float32 gives, fixture types."""

from collections.abc import Callable
from pathlib import Path
from typing import Any, Literal

PROMPT = [2, 818, 5279, 529, 7001, 563]  # <bos>The capital of France is
CONTINUATION = " the capital of the"
# Layer 7's second Add to the residual stream: the first value beyond float16's range.
FIRST_BEYOND = "/model/layers.7/Add_2/output_0"
DTYPES = ("fp16", "q4", "q4f16")

Provider = Literal["cpu", "webgpu"]
# From a policy's name to the folder of its converted files.
Convert = Callable[[str], Path]
# From a kind of onnxquant_tools.broken_models to a file of that kind.
Breaking = Callable[[str], Path]
# From a model file and a provider to what onnxquant_tools.run_model reports.
Generate = Callable[[Path, Provider], dict[str, Any]]
