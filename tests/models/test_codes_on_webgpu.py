"""Weights in blocks of codes of every size give the same on WebGPU as on the CPU.

What WebGPU reads wrongly must stay a float: a sum that is wrong there says nothing.
"""

import subprocess
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
from agreement import Array, relative_error
from onnx import helper, numpy_helper
from onnxquant_tools.product import ROOT
from onnxquant_tools.pytest_webgpu import require_webgpu

RUNNER = Path(__file__).with_name("run_arrays.py")
# K and N: even and odd numbers of blocks, blocks that K does not fill, few columns, and as many
# numbers as one block has.
SIZES = [(96, 8), (96, 9), (160, 6), (224, 5), (40, 8), (100, 5), (48, 8), (288, 16)]
SMALL = [(4, 4), (8, 4), (4, 8), (16, 4), (8, 8), (32, 4), (16, 8), (16, 16), (32, 8), (64, 1)]


def _model(op: str) -> tuple[onnx.ModelProto, dict[str, Array]]:
    """Return a model of one node for each size, and what it reads."""
    random = np.random.default_rng(3)
    nodes, inputs, outputs, weights = [], [], [], []
    feeds: dict[str, Array] = {}
    for k, n in [*SIZES, *SMALL]:
        for rows in [1, 5]:
            name = f"{k}x{n}.{rows}"
            x: Array = random.normal(0, 1, (rows, k)).astype(np.float32)
            weight = random.normal(0, 1, (k, n)).astype(np.float32)
            names = [f"{name}.x", f"{name}.w"]
            if op == "Gather":
                x, weight = random.integers(-n, n, (rows,)), weight.T.copy()
                names.reverse()
            kind = helper.np_dtype_to_tensor_dtype(x.dtype)
            nodes.append(helper.make_node(op, names, [f"{name}.y"], name))
            inputs.append(helper.make_tensor_value_info(f"{name}.x", kind, x.shape))
            outputs.append(helper.make_tensor_value_info(f"{name}.y", 1, None))
            weights.append(numpy_helper.from_array(weight, f"{name}.w"))
            feeds[f"{name}.x"] = x
    graph = helper.make_graph(nodes, "sizes", inputs, outputs, weights)
    opsets = [helper.make_opsetid("", 21)]
    return helper.make_model(graph, opset_imports=opsets, ir_version=10), feeds


def _run(provider: str, model: Path, feeds: Path) -> dict[str, Array]:
    script = ROOT / "scripts" / ("python_webgpu.sh" if provider == "webgpu" else "python.sh")
    target = model.with_name(f"{provider}.npz")
    command = [script, RUNNER, provider, feeds, target, model]
    done = subprocess.run(
        list(map(str, command)), capture_output=True, text=True, timeout=100, check=False
    )
    assert done.returncode == 0, done.stderr[-2000:]
    with np.load(target) as saved:
        return dict(saved)


@pytest.mark.parametrize("op", ["MatMul", "Gather"])
@pytest.mark.parametrize("symmetric", ["true", "false"])
@pytest.mark.parametrize(
    ("word", "block"), [("int2", 32), ("int4", 16), ("int4", 64), ("int8", 32), ("int8", 256)]
)
def test_codes_of_every_size_give_the_same_on_webgpu(
    binary: Path, tmp_path: Path, word: str, block: int, symmetric: str, op: str
) -> None:
    require_webgpu()
    model, feeds = _model(op)
    onnx.save(model, tmp_path / "model.onnx")
    arguments: dict[str, Any] = feeds
    np.savez(tmp_path / "feeds.npz", **arguments)
    form = f"{{format: {word}, block: {block}, symmetric: {symmetric}}}"
    (tmp_path / "p.yaml").write_text(
        "policy: 1\nname: p\noutputs:\n"
        f"  q4: {{compute: float32, weights: {form}, io: float32}}\n"
        f"rules:\n  - {{match: {{op: Gather}}, weights: {form}, optional: true}}\n"
    )
    command = [binary, "--quiet", "--policy", tmp_path / "p.yaml", tmp_path / "model.onnx"]
    subprocess.run(list(map(str, command)), check=True, timeout=60)
    path = tmp_path / "model_q4.onnx"
    assert any(node.domain == "com.microsoft" for node in onnx.load(path).graph.node)
    right, found = (_run(provider, path, tmp_path / "feeds.npz") for provider in ("cpu", "webgpu"))
    wrong = [name for name, y in right.items() if relative_error(y, found[name]) > 1e-4]
    assert not wrong
