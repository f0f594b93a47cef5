"""What this Python's ONNX Runtime says to each model that a folder's index.json lists.

    scripts/python.sh -m onnxquant_tools.probe_runtime FOLDER cpu RESULT.json
    scripts/python_webgpu.sh -m onnxquant_tools.probe_runtime FOLDER webgpu RESULT.json

as probe_models makes such a folder. Where a row of the index has `feeds`, types and shapes by name,
the model is run on zeros, too. For WebGPU a model loads only where its node runs there, not on the
CPU beside it.
"""

import argparse
import json
from pathlib import Path
from typing import Any

import numpy as np
import onnxruntime as ort

_PROVIDERS = {"cpu": "CPUExecutionProvider", "webgpu": "WebGpuExecutionProvider"}


def _fault(path: Path, provider: str, feeds: dict[str, tuple[str, list[int]]] | None) -> str:
    """Return what is wrong; "" where it loads, and runs if there is something to run it on."""
    options = ort.SessionOptions()
    options.log_severity_level = 4
    options.graph_optimization_level = ort.GraphOptimizationLevel.ORT_DISABLE_ALL
    if provider != "cpu":
        options.add_session_config_entry("session.disable_cpu_ep_fallback", "1")
    try:
        session = ort.InferenceSession(str(path), options, providers=[_PROVIDERS[provider]])
        if feeds is not None:
            session.run(
                None, {name: np.zeros(shape, kind) for name, (kind, shape) in feeds.items()}
            )
    except Exception as error:  # of what kind depends on the release
        return str(error)[:600]
    return ""


def main() -> None:
    """Load every model and write what came of it."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("folder", type=Path)
    parser.add_argument("provider", choices=sorted(_PROVIDERS))
    parser.add_argument("result", type=Path)
    options = parser.parse_args()
    index = json.loads((options.folder / "index.json").read_text(encoding="utf-8"))
    results: dict[str, Any] = {
        row["file"]: _fault(options.folder / row["file"], options.provider, row.get("feeds"))
        for row in index
    }
    found = {"runtime": f"onnxruntime {ort.__version__}", "results": results}
    options.result.write_text(json.dumps(found, indent=1), encoding="utf-8")
    print(f"{sum(not text for text in results.values())} of {len(results)} load")


if __name__ == "__main__":
    main()
