"""Tables in codes behind a DequantizeLinear, which GatherBlockQuantized reads as the same codes."""

from pathlib import Path

import numpy as np
import onnx
import onnxruntime as ort
import pytest
from coded_weights import BOTH, Array, Coded
from onnx import TensorProto, helper, numpy_helper
from program import policy, run, save
from weight_models import unpacked

TABLE = (
    "policy: 1\nname: p\noutputs:\n"
    "  q4: {{compute: float32, weights: int{0}, io: float32}}\n"
    "  q4f16: {{compute: float16, weights: int{0}, io: float32}}\n"
    "rules:\n  - match: {{op: Gather}}\n    weights: int{0}\n"
)
INDICES = np.array([[0, -1], [5, 2]])


def _table(weight: Coded, head: bool) -> onnx.ModelProto:
    """Return y = x w and rows of w's transpose, of floats made of codes [N, K]; or rows alone."""
    model = weight.model([helper.make_node("Gather", ["f", "i"], ["rows"], "table")])
    model.graph.input.append(helper.make_tensor_value_info("i", TensorProto.INT64, [2, 2]))
    if not head:
        for node in [n for n in model.graph.node if n.op_type in ("Transpose", "MatMul")]:
            model.graph.node.remove(node)
        del model.graph.input[0], model.graph.output[0]
    return model


TABLES = [
    Coded(
        turned=True,
        bits=bits,
        is_signed=is_signed,
        points=points,
        k=k,
        n=9,
        block=block,
    )
    for bits in (4, 8)
    for is_signed, points in ((True, True), (True, False), (False, True))
    for k, block in ((256, 32), (128, 64), (64, 32))
    if not points or (k // block) * bits % 8 == 0
]
# A last block that is not full has no place in a head's codes, but in a table's.
SHORT = [
    Coded(turned=True, points=False, k=k, n=9, block=32, bits=bits)
    for k, bits in ((40, 4), (33, 8))
]


@pytest.mark.parametrize("head", [False, True])
@pytest.mark.parametrize("weight", TABLES, ids=str)
def test_a_table_of_codes_is_gathered_from_them_and_shares_them_with_its_head(
    tmp_path: Path, weight: Coded, head: bool
) -> None:
    _expect_rows_of_the_same_codes(tmp_path, weight, head)


@pytest.mark.parametrize("weight", SHORT, ids=str)
def test_rows_that_end_within_a_block_are_packed_without_what_pads_them(
    tmp_path: Path, weight: Coded
) -> None:
    _expect_rows_of_the_same_codes(tmp_path, weight, head=False)


def _expect_rows_of_the_same_codes(folder: Path, weight: Coded, head: bool) -> None:
    text = policy(folder, TABLE.format(weight.bits))
    done = run("--policy", text, save(_table(weight, head), folder))
    assert done.returncode == 0, done.stderr
    codes, scales, points = (a.T for a in weight.arrays())
    middle = 2 ** (weight.bits - 1) if weight.is_signed else 0
    x = np.random.default_rng(0).normal(0, 1, (3, weight.k)).astype(np.float32)
    for dtype, scale, most in (("q4", np.float32, 1e-6), ("q4f16", np.float16, 2e-3)):
        path = folder / f"model_{dtype}.onnx"
        model = onnx.load(path)
        kinds = [node.op_type for node in model.graph.node]
        assert kinds.count("GatherBlockQuantized") == 1
        assert kinds.count("MatMulNBits") == head
        assert not {"Gather", "MatMul", "DequantizeLinear"} & set(kinds)
        parts = {t.name: numpy_helper.to_array(t) for t in model.graph.initializer}
        suffixes = [f"_Q{weight.bits}", "_scales", "_zero_points"][: 2 + weight.points]
        assert sorted(parts) == [f"w{suffix}" for suffix in suffixes]
        rows = unpacked(parts[f"w_Q{weight.bits}"].reshape(weight.n, -1), weight.bits)
        assert np.array_equal(rows, codes + middle)
        assert np.array_equal(parts["w_scales"], scales.astype(scale))
        if weight.points:
            found = unpacked(parts["w_zero_points"], weight.bits)[:, : scales.shape[1]]
            assert np.array_equal(found, points + middle)
        session = ort.InferenceSession(path, providers=["CPUExecutionProvider"])
        feeds = {"i": INDICES, **({"x": x} if head else {})}
        (y,) = session.run(["rows"], feeds)
        expected: Array = weight.values().T[INDICES]
        assert np.abs(y - expected).max() <= most * np.abs(expected).max()


def test_a_table_stays_where_only_the_output_asks_for_codes(tmp_path: Path) -> None:
    weight = TABLES[0]
    text = policy(tmp_path, BOTH.format(weight.bits))
    done = run("--policy", text, save(_table(weight, head=False), tmp_path))
    assert done.returncode == 0, done.stderr
    kinds = [node.op_type for node in onnx.load(tmp_path / "model_q4.onnx").graph.node]
    assert kinds == ["DequantizeLinear", "Gather"]
