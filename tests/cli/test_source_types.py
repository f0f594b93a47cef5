"""Sources whose weights are float16, bfloat16 or float64: codes are those of the same numbers."""

from pathlib import Path

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper, numpy_helper
from program import policy, run, save

HALF = ("FLOAT16", "BFLOAT16")
WORDS = [
    "int4",
    "{format: int4, symmetric: false}",
    "int8",
    "dynamic_uint8",
    "nf4",
    "float32",
]
TEXT = "policy: 1\nname: p\noutputs:\n  q4: {{compute: float32, weights: {}, io: float32}}\n"


def _weight(kind: str) -> TensorProto:
    """Return numbers that the type holds: of float64, with more digits than float32 has."""
    numbers = np.random.default_rng(5).normal(0, 0.1, (96, 48))
    if kind == "DOUBLE":
        return numpy_helper.from_array(numbers, "w")
    narrow = helper.make_tensor("w", TensorProto.DataType.Value(kind), (96, 48), numbers.ravel())
    return TensorProto(
        name="w", data_type=narrow.data_type, dims=narrow.dims, raw_data=_raw(narrow)
    )


def _raw(tensor: TensorProto) -> bytes:
    if tensor.raw_data:
        return bytes(tensor.raw_data)
    return np.array(tensor.int32_data, np.uint16).tobytes()


def _model(weight: TensorProto) -> onnx.ModelProto:
    kind = weight.data_type
    graph = helper.make_graph(
        [helper.make_node("MatMul", ["x", "w"], ["y"], "m")],
        "g",
        [helper.make_tensor_value_info("x", kind, ["n", 96])],
        [helper.make_tensor_value_info("y", kind, ["n", 48])],
        [weight],
    )
    imports = [helper.make_opsetid("", 21)]
    return helper.make_model(graph, opset_imports=imports, ir_version=10)


def _stored(folder: Path, model: onnx.ModelProto, word: str) -> dict[str, tuple[int, bytes]]:
    folder.mkdir()
    done = run("--policy", policy(folder, TEXT.format(word)), save(model, folder))
    assert done.returncode == 0, done.stderr
    made = onnx.load(folder / "model_q4.onnx").graph
    assert made.initializer
    return {t.name: (t.data_type, bytes(t.raw_data)) for t in made.initializer}


@pytest.mark.parametrize("word", WORDS)
@pytest.mark.parametrize("kind", [*HALF, "DOUBLE"])
def test_codes_are_those_of_the_widened_numbers(tmp_path: Path, kind: str, word: str) -> None:
    weight = _weight(kind)
    # float64 is rounded to float32 first, once, to nearest.
    widened = numpy_helper.from_array(numpy_helper.to_array(weight).astype(np.float32), "w")
    stored = _stored(tmp_path / "own", _model(weight), word)
    assert stored == _stored(tmp_path / "float32", _model(widened), word)
    assert (word == "float32") == (list(stored) == ["w"])


@pytest.mark.parametrize("kind", HALF)
def test_what_is_widened_keeps_its_numbers(tmp_path: Path, kind: str) -> None:
    weight = _weight(kind)
    ((kept, raw),) = _stored(tmp_path / "own", _model(weight), "float32").values()
    assert kept == TensorProto.FLOAT
    found = np.frombuffer(raw, np.float32).reshape(96, 48)
    assert np.array_equal(found, numpy_helper.to_array(weight).astype(np.float32))
