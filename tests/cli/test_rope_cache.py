"""Tables of rotary embeddings that are computed, or stored in part, give what they gave before."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import onnx
import onnxruntime as ort
import pytest
from onnx import TensorProto, helper, numpy_helper
from program import run, save

ROWS, COLUMNS, HEADS = 4096, 16, 2
WIDTH = 2 * COLUMNS * HEADS
Table = npt.NDArray[np.float32]


def _frequencies(theta: float) -> Table:
    exponents = np.arange(COLUMNS, dtype=np.float32) / np.float32(COLUMNS)
    return np.float32(1) / np.float32(theta) ** exponents


def _tables(frequencies: Table, factor: float = 1.0) -> tuple[Table, Table]:
    angles = np.outer(np.arange(ROWS, dtype=np.float32), frequencies).astype(np.float32)
    return np.cos(angles) * np.float32(factor), np.sin(angles) * np.float32(factor)


def _yarn() -> Table:
    ramp = np.clip((np.arange(COLUMNS) - 4) / 8, 0, 1)
    plain = _frequencies(1e4).astype(np.float64)
    return (plain * (1 - ramp) + plain / 40 * ramp).astype(np.float32)


KINDS = {
    "plain": lambda: _tables(_frequencies(1e6)),
    "linear": lambda: _tables(_frequencies(1e4) / np.float32(8)),
    "yarn": lambda: _tables(_yarn(), 0.1 * np.log(40) + 1),
}


def _model(tables: tuple[Table, Table], opset: int = 21) -> onnx.ModelProto:
    """Rotate twice, with a product between, and read an output at each position."""
    random = np.random.default_rng(3)
    weight = random.normal(0, 0.2, (WIDTH, WIDTH)).astype(np.float32)

    def rotate(name: str, value: str, out: str) -> onnx.NodeProto:
        inputs = [value, "at", "cosines", "sines"]
        return helper.make_node("RotaryEmbedding", inputs, [out], name, domain="com.microsoft")

    graph = helper.make_graph(
        [
            rotate("first", "x", "a"),
            helper.make_node("MatMul", ["a", "w"], ["b"], "product"),
            rotate("second", "b", "y"),
        ],
        "rotary",
        [
            helper.make_tensor_value_info("x", TensorProto.FLOAT, [1, "s", WIDTH]),
            helper.make_tensor_value_info("at", TensorProto.INT64, [1, "s"]),
        ],
        [helper.make_tensor_value_info("y", TensorProto.FLOAT, [1, "s", WIDTH])],
        [
            numpy_helper.from_array(tables[0], "cosines"),
            numpy_helper.from_array(tables[1], "sines"),
            numpy_helper.from_array(weight, "w"),
        ],
    )
    opsets = [helper.make_opsetid("", opset), helper.make_opsetid("com.microsoft", 1)]
    return helper.make_model(graph, opset_imports=opsets, ir_version=8)


def _policy(folder: Path, rope_cache: str, dtype: str = "fp16") -> Path:
    kind = "float16" if dtype == "fp16" else "float32"
    path = folder / "p.yaml"
    fields = f"compute: {kind}, weights: {kind}, io: float32, rope_cache: {rope_cache}"
    path.write_text(f"policy: 1\nname: p\noutputs:\n  {dtype}: {{{fields}}}\n")
    return path


def _convert(model: Path, folder: Path, rope_cache: str, dtype: str = "fp16") -> Path:
    folder.mkdir()
    done = run("-o", folder, "--policy", _policy(folder, rope_cache, dtype), model)
    assert done.returncode == 0, done.stderr
    return folder / ("model_fp16.onnx" if dtype == "fp16" else "model.onnx")


def _run(path: Path, positions: list[int]) -> Table:
    random = np.random.default_rng(5)
    x = random.normal(0, 1, (1, len(positions), WIDTH)).astype(np.float32)
    session = ort.InferenceSession(path, providers=["CPUExecutionProvider"])
    (result,) = session.run(["y"], {"x": x, "at": np.array([positions], np.int64)})
    return np.asarray(result)


def _operators(path: Path) -> set[str]:
    return {node.op_type for node in onnx.load(path, load_external_data=False).graph.node}


def _size(folder: Path) -> int:
    return sum(f.stat().st_size for f in folder.iterdir() if "onnx" in f.name)


def _plan(model: Path, policy: Path, *arguments: str) -> dict[str, Any]:
    done = run("plan", "--json", "--policy", policy, *arguments, model)
    assert done.returncode == 0, done.stderr
    output: dict[str, Any] = json.loads(done.stdout)["outputs"][0]
    return output


@pytest.fixture(params=KINDS)
def model(request: pytest.FixtureRequest, tmp_path: Path) -> Path:
    """Return a model of each kind of table."""
    return save(_model(KINDS[request.param]()), tmp_path)


FAR = [0, 1, 2, 700, 2047, 4000, 4095]


@pytest.mark.parametrize("dtype", ["fp32", "fp16"])
def test_computed_tables_give_what_stored_ones_gave(
    model: Path, dtype: str, tmp_path: Path
) -> None:
    stored = _convert(model, tmp_path / "stored", "keep", dtype)
    computed = _convert(model, tmp_path / "computed", "computed", dtype)
    assert {"Range", "Cos", "Sin"} <= _operators(computed)
    assert not {"Range", "Cos", "Sin"} & _operators(stored)
    before = _run(stored, FAR)
    difference = np.abs(_run(computed, FAR) - before).max()
    assert difference <= (5e-6 if dtype == "fp32" else 4e-3)
    assert np.abs(before).max() > 1
    taken = 2 * ROWS * COLUMNS * (4 if dtype == "fp32" else 2)
    assert _size(tmp_path / "stored") - _size(tmp_path / "computed") > 0.95 * taken


def test_the_runtime_folds_the_nodes_when_it_loads_the_model(model: Path, tmp_path: Path) -> None:
    computed = _convert(model, tmp_path / "computed", "computed")
    options = ort.SessionOptions()
    options.optimized_model_filepath = str(tmp_path / "optimized.onnx")
    ort.InferenceSession(computed, options, providers=["CPUExecutionProvider"])
    assert not {"Range", "Cos", "Sin", "Reshape"} & _operators(tmp_path / "optimized.onnx")


@pytest.mark.parametrize("rope_cache", ["computed", "{computed: 512}", "{positions: 512}"])
def test_the_plan_predicts_every_file_to_the_byte(
    model: Path, rope_cache: str, tmp_path: Path
) -> None:
    plan = _plan(model, _policy(tmp_path, rope_cache))
    written = _convert(model, tmp_path / "out", rope_cache).parent
    assert {f["name"]: f["bytes"] for f in plan["files"]} == {
        f.name: f.stat().st_size for f in written.iterdir() if "onnx" in f.name
    }


def test_the_first_positions_give_the_same_and_later_ones_are_no_more(
    model: Path, tmp_path: Path
) -> None:
    stored = _convert(model, tmp_path / "stored", "keep")
    part = _convert(model, tmp_path / "part", "{positions: 512}")
    assert np.array_equal(_run(part, [0, 3, 511]), _run(stored, [0, 3, 511]))
    with pytest.raises(Exception, match=r"position_ids"):
        _run(part, [512])
    shapes = {
        t.name: list(t.dims) for t in onnx.load(part, load_external_data=False).graph.initializer
    }
    assert shapes["cosines"] == shapes["sines"] == [512, COLUMNS]


def test_a_file_with_computed_tables_is_the_same_when_it_is_converted_again(
    model: Path, tmp_path: Path
) -> None:
    once = _convert(model, tmp_path / "once", "computed")
    for number, rope_cache in enumerate(["computed", "keep"]):
        again = _convert(once, tmp_path / f"again{number}", rope_cache)
        for name in (once.name, f"{once.name}_data"):
            assert (again.parent / name).read_bytes() == (once.parent / name).read_bytes()


def test_angles_stay_float32_whatever_the_policy(model: Path, tmp_path: Path) -> None:
    """Also under rules that name the nodes: float16 has no integers beyond 2048."""
    once = _convert(model, tmp_path / "once", "computed")
    policy = _policy(tmp_path, "keep")
    rule = "match: {op: [Range, Mul, Cos, Sin, Reshape]}, compute: float16, optional: true"
    again = tmp_path / "again"
    again.mkdir()
    done = run("-o", again, "--policy", policy, "--set", rule, once)
    assert done.returncode == 0, done.stderr
    assert np.array_equal(_run(again / once.name, FAR), _run(once, FAR))


def test_a_float16_file_with_stored_tables_is_computed_too(model: Path, tmp_path: Path) -> None:
    stored = _convert(model, tmp_path / "stored", "keep")
    computed = _convert(stored, tmp_path / "computed", "computed")
    is_yarn = _operators(computed) == _operators(stored)
    if is_yarn:
        said = _plan(stored, _policy(tmp_path, "computed"))["rope_cache"]
        assert "is known in 16 bits alone" in said
    else:
        assert np.abs(_run(computed, FAR) - _run(stored, FAR)).max() < 4e-3


@pytest.mark.parametrize("command", [["check"], ["ranges"], ["verify"], ["diff"], ["inspect"]])
def test_every_command_takes_the_result(model: Path, command: list[str], tmp_path: Path) -> None:
    computed = _convert(model, tmp_path / "computed", "computed")
    files = [model, computed] if command[0] in ("verify", "diff") else [computed]
    done = run(*command, *files)
    assert done.returncode in ({0, 1} if command[0] == "diff" else {0}), done.stdout + done.stderr


def test_what_is_no_table_of_angles_stays_with_the_reason(tmp_path: Path) -> None:
    cosines, sines = _tables(_frequencies(1e4))
    sines[77, 3] += np.float32(0.001)
    path = save(_model((cosines, sines)), tmp_path)
    said = _plan(path, _policy(tmp_path, "computed"))["rope_cache"]
    assert "'sines' stays: at position 77 column 3 holds the sine" in said
    done = run("plan", "--policy", _policy(tmp_path, "computed"), "--why", "cosines", path)
    assert "what the tables are (at position 77 column 3 holds" in done.stdout
    assert ") sets rope_cache: keep" in done.stdout
    stored = _convert(path, tmp_path / "stored", "keep")
    asked = _convert(path, tmp_path / "asked", "computed")
    assert (asked.parent / f"{asked.name}_data").read_bytes() == (
        stored.parent / f"{stored.name}_data"
    ).read_bytes()


def test_the_plan_says_what_is_done_and_what_it_spares(model: Path, tmp_path: Path) -> None:
    done = run("plan", "--policy", _policy(tmp_path, "computed"), model)
    assert done.returncode == 0
    assert "fp16: rotary: 2 tables computed from 1 set of frequencies, within " in done.stdout
    assert f"{2 * ROWS * COLUMNS * 2 - 4 * COLUMNS} bytes less" in done.stdout
    why = run("plan", "--policy", _policy(tmp_path, "computed"), "--why", "sines", model).stdout
    assert "computed from 'cosines_frequencies' for 4096 positions" in why


def test_an_old_models_opset_is_raised_to_that_of_the_nodes(tmp_path: Path) -> None:
    path = save(_model(_tables(_frequencies(1e4)), opset=9), tmp_path)
    computed = _convert(path, tmp_path / "computed", "computed", "fp32")
    versions = {o.domain: o.version for o in onnx.load(computed).opset_import}
    assert versions[""] >= 11
    assert np.abs(_run(computed, FAR) - _run(path, FAR)).max() < 5e-6


@pytest.mark.parametrize(
    ("rope_cache", "found"),
    [
        (
            "compute",
            "4:71: found rope_cache 'compute'; allowed are keep, computed; did you mean ",
        ),
        (
            "{position: 5}",
            "4:72: found 'position' in rope_cache; allowed are positions, ",
        ),
        (
            "{positions: 0}",
            "4:83: found positions 0; a number of positions above 0 is expected",
        ),
        (
            "{computed: many}",
            "4:82: found computed many; a number of positions above 0",
        ),
        ("[5]", "4:71: found a list; rope_cache is a text"),
    ],
)
def test_a_mistake_is_shown_where_it_stands(rope_cache: str, found: str, tmp_path: Path) -> None:
    path = save(_model(_tables(_frequencies(1e4))), tmp_path)
    policy = _policy(tmp_path, rope_cache)
    done = run("plan", "--policy", policy, path)
    assert done.returncode == 3
    assert f"{policy}:{found}" in done.stderr
