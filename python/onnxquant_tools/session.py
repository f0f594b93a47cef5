"""A causal language model with a key-value cache in ONNX Runtime, on the CPU or on WebGPU."""

from pathlib import Path
from typing import Any, Literal

import numpy as np
import numpy.typing as npt
import onnxruntime as ort

Provider = Literal["cpu", "webgpu"]
_PROVIDERS = {"cpu": "CPUExecutionProvider", "webgpu": "WebGpuExecutionProvider"}
_TYPES = {"tensor(float)": np.float32, "tensor(float16)": np.float16}


class ProviderMissingError(Exception):
    """ONNX Runtime here lacks the execution provider, or would quietly run without it."""


class CausalModel:
    """One session and its cache for one sequence (batch of one); positions count from zero."""

    def __init__(self, path: Path, provider: Provider, *, threads: int = 0) -> None:
        name = _PROVIDERS[provider]
        if name not in ort.get_available_providers():
            raise ProviderMissingError(
                f"this environment's onnxruntime has no {name}; run scripts/setup_webgpu.sh and "
                "use scripts/python_webgpu.sh"
            )
        options = ort.SessionOptions()
        options.log_severity_level = 3
        options.intra_op_num_threads = threads
        self._session: Any = ort.InferenceSession(str(path), options, providers=[name])
        if name not in self._session.get_providers():
            raise ProviderMissingError(f"{path}: {name} was asked for but is not in use")
        self._caches = [
            i for i in self._session.get_inputs() if i.name.startswith("past_key_values.")
        ]
        outputs = [o.name for o in self._session.get_outputs()]
        self._outputs = ["logits"] + [_present(i.name) for i in self._caches]
        missing = set(self._outputs) - set(outputs)
        if missing:
            raise ValueError(f"{path}: outputs {sorted(missing)} are missing; has {outputs}")
        self._inputs = {i.name for i in self._session.get_inputs()}
        self.reset()

    def reset(self) -> None:
        """Forget the sequence."""
        self._length = 0
        self._past = {
            i.name: np.zeros((1, i.shape[1], 0, i.shape[3]), _TYPES[i.type]) for i in self._caches
        }

    def step(self, tokens: npt.ArrayLike) -> npt.NDArray[np.float32]:
        """Append tokens and return logits [given or last positions, vocabulary] in float32."""
        ids = np.asarray(tokens, np.int64).reshape(1, -1)
        count = ids.shape[1]
        feeds: dict[str, Any] = {
            "input_ids": ids,
            "attention_mask": np.ones((1, self._length + count), np.int64),
            "position_ids": np.arange(self._length, self._length + count).reshape(1, -1),
            **self._past,
        }
        results = self._session.run(
            self._outputs, {k: v for k, v in feeds.items() if k in self._inputs}
        )
        self._length += count
        self._past = {i.name: result for i, result in zip(self._caches, results[1:], strict=True)}
        logits: npt.NDArray[np.float32] = np.asarray(results[0][0], np.float32)
        return logits


def _present(past: str) -> str:
    return past.replace("past_key_values.", "present.")
