"""Runs a file of a packaged model in ONNX Runtime in a process of its own: a crash stays here.

    python run_packaged.py NAME cpu|webgpu OUT.npz FILE

OUT.npz holds the outputs as `0`, `1` … and `seconds`, the best of three runs (of one on WebGPU,
where a software driver is slow).
"""

import sys
import time
from typing import Any

import numpy as np
import onnxruntime as ort
from onnxquant_tools.model_inputs import Feeds, model_inputs

_PROVIDERS = {"cpu": "CPUExecutionProvider", "webgpu": "WebGpuExecutionProvider"}


def run(path: str, provider: str, feeds: Feeds) -> tuple[list[Any], float]:
    """Return the outputs and the seconds of the fastest run."""
    options = ort.SessionOptions()
    options.log_severity_level = 3
    session: Any = ort.InferenceSession(path, options, providers=[_PROVIDERS[provider]])
    if _PROVIDERS[provider] not in session.get_providers():
        raise RuntimeError(f"{path}: {_PROVIDERS[provider]} was asked for but is not in use")
    given = {i.name: feeds[i.name] for i in session.get_inputs()}
    outputs, seconds = [], float("inf")
    for _ in range(3 if provider == "cpu" else 1):
        start = time.perf_counter()
        outputs = session.run(None, given)
        seconds = min(seconds, time.perf_counter() - start)
    return outputs, seconds


def main(name: str, provider: str, target: str, path: str) -> None:
    """Run the file and save what came out."""
    outputs, seconds = run(path, provider, model_inputs(name))
    found = {str(number): value for number, value in enumerate(outputs)}
    np.savez(target, seconds=np.array(seconds), **found)


if __name__ == "__main__":
    main(*sys.argv[1:])
