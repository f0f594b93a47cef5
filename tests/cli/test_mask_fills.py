"""Fills of masks that are added are clamped to what their sum may be, whatever they stand in."""

from pathlib import Path

import numpy as np
import onnx
import pytest
from onnx import numpy_helper
from program import run

MODEL = """<ir_version: 10, opset_import: ["" : 17]>
g (T[n, 2, 2] scores, T[n, 1, 2] shown, int64[2] size, int64 diagonal) => (T[n, 2, 2] y)
<T one = {ONE}> {
  low = Constant<value = T {FILL}>()
  inverse = Sub(one, shown)
  padding = Mul(inverse, low)
  filled = ConstantOfShape<value = T[1] {FILL}>(size)
  causal = Trilu<upper = 1>(filled, diagonal)
  first = Add(scores, causal)
  masked = Add(first, padding)
  y = Softmax<axis = -1>(masked)
}"""


def _fills(path: Path) -> dict[str, float]:
    """Return the constant that is multiplied and the one that a shape is filled with."""
    graph = onnx.load(path).graph
    fills = {}
    for node in graph.node:
        if node.op_type in ("Constant", "ConstantOfShape"):
            array = numpy_helper.to_array(node.attribute[0].t)
            assert array.dtype == np.float16
            fills[node.op_type] = float(array.reshape(-1)[0])
    return fills


@pytest.mark.parametrize(
    ("policy", "kind", "fill"),
    # Of float16 the text has the bits: 0xFBFF.
    [("fp16", "float", "-1e9"), ("fp16", "float", "-65504"), ("repair", "float16", "64511")],
)
def test_constants_in_nodes_are_clamped_in_sources_of_either_type(
    policy: str, kind: str, fill: str, tmp_path: Path
) -> None:
    one = "15360" if kind == "float16" else "1"
    text = (
        MODEL.replace("ONE", one)
        .replace("FILL", fill)
        .replace("T[", f"{kind}[")
        .replace("T one", f"{kind} one")
    )
    model = onnx.parser.parse_model(text.replace("value = T ", f"value = {kind} "))
    onnx.save(model, tmp_path / "m.onnx")
    done = run("--policy", policy, "--dtype", "fp16", "-o", tmp_path / "out", tmp_path / "m.onnx")
    assert done.returncode == 0, done.stderr
    assert _fills(tmp_path / "out" / "m_fp16.onnx") == {
        "Constant": -28672,
        "ConstantOfShape": -28672,
    }


def test_a_constant_that_is_read_elsewhere_too_is_left_as_it_is(tmp_path: Path) -> None:
    text = (
        MODEL.replace("ONE", "1")
        .replace("T[", "float[")
        .replace("T one", "float one")
        .replace("T ", "float ")
    )
    text = text.replace("FILL", "-65504").replace("=> (", "=> (float[n, 2, 2] z, ")
    model = onnx.parser.parse_model(
        text.replace("y = Softmax", "z = Max(scores, low)\n  y = Softmax")
    )
    onnx.save(model, tmp_path / "m.onnx")
    done = run("--policy", "fp16", "-o", tmp_path / "out", tmp_path / "m.onnx")
    assert done.returncode == 0, done.stderr
    assert _fills(tmp_path / "out" / "m_fp16.onnx")["Constant"] == -65504
