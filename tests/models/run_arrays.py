"""Runs a model on given arrays in a process of its own, without falling back to the CPU.

python run_arrays.py webgpu|cpu FEEDS.npz OUT.npz FILE
"""

import sys
from typing import Any

import numpy as np
import onnxruntime as ort

_PROVIDERS = {"cpu": "CPUExecutionProvider", "webgpu": "WebGpuExecutionProvider"}


def main(provider: str, feeds: str, target: str, path: str) -> None:
    """Run the file and save what came out, by name."""
    options = ort.SessionOptions()
    options.log_severity_level = 3
    if provider != "cpu":
        options.add_session_config_entry("session.disable_cpu_ep_fallback", "1")
    session: Any = ort.InferenceSession(path, options, providers=[_PROVIDERS[provider]])
    names = [output.name for output in session.get_outputs()]
    with np.load(feeds) as given:
        results = session.run(names, dict(given))
    np.savez(target, **dict(zip(names, results, strict=True)))


if __name__ == "__main__":
    main(*sys.argv[1:])
