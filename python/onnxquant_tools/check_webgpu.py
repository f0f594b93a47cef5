"""Check that WebGPU computes in true half precision here: 60000 + 60000 must be infinite.

    scripts/python_webgpu.sh -m onnxquant_tools.check_webgpu

The CPU provider computes half-precision sums in float32, and so hides overflow: only a provider
that passes this check shows what a browser would.
"""

import sys

import numpy as np
import onnxruntime as ort
from onnx import TensorProto, helper

_PROVIDER = "WebGpuExecutionProvider"


def half_sum(left: float, right: float) -> float:
    """Add two numbers in float16 on WebGPU, with falling back to the CPU forbidden."""
    info = [helper.make_tensor_value_info(n, TensorProto.FLOAT16, [64]) for n in ("a", "b", "c")]
    graph = helper.make_graph(
        [helper.make_node("Add", ["a", "b"], ["c"])], "sum", info[:2], info[2:]
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 21)], ir_version=10)
    options = ort.SessionOptions()
    options.log_severity_level = 3
    options.add_session_config_entry("session.disable_cpu_ep_fallback", "1")
    session = ort.InferenceSession(model.SerializeToString(), options, providers=[_PROVIDER])
    feeds = {
        "a": np.full(64, left, np.float16),
        "b": np.full(64, right, np.float16),
    }
    return float(session.run(None, feeds)[0][0])


def main() -> int:
    """Print the finding; 0 when WebGPU works in true half precision."""
    if _PROVIDER not in ort.get_available_providers():
        print(f"this environment's onnxruntime has no {_PROVIDER}", file=sys.stderr)
        return 1
    overflow, rounded = half_sum(60000, 60000), half_sum(2048, 1)
    if not np.isinf(overflow) or rounded != 2048:
        print(
            f"WebGPU runs, but not in true half precision: 60000+60000 = {overflow} (expected "
            f"inf), 2048+1 = {rounded} (expected 2048)",
            file=sys.stderr,
        )
        return 1
    print("WebGPU works in true half precision: 60000+60000 = inf, 2048+1 = 2048")
    return 0


if __name__ == "__main__":
    sys.exit(main())
