"""How codes are chosen: `method`, with and without statistics of what the weights meet."""

import functools
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import onnxruntime
import pytest
from numpy.typing import NDArray
from onnx import helper, numpy_helper
from program import run

K = 64
N = 48
FORMAT = "weights: {format: int4, block: 16, symmetric: false}"
HEAD = f"policy: 1\nname: mine\noutputs: {{q4: {{compute: float32, io: float32, {FORMAT}}}}}\n"
RULES = "rules:\n  - match: {weight: mix*}\n    weights: float32\n    optional: true\n"
# Convs are stored in blocks where a rule says so.
CONVS = (
    "  - match: {weight: w, op: Conv}\n"
    "    weights: {format: int4, block: 16, symmetric: false}\n    optional: true\n"
)


def _numbers(seed: int, *shape: int) -> NDArray[np.float32]:
    return np.random.default_rng(seed).standard_normal(shape).astype(np.float32)


def _model(
    path: Path,
    nodes: list[Any],
    weights: dict[str, NDArray[np.float32]],
    shape: tuple[int | str, ...] = ("rows", K),
) -> Path:
    graph = helper.make_graph(
        nodes,
        "g",
        [helper.make_tensor_value_info("x", onnx.TensorProto.FLOAT, shape)],
        [helper.make_tensor_value_info("y", onnx.TensorProto.FLOAT, [None] * len(shape))],
        [numpy_helper.from_array(array, name) for name, array in weights.items()],
    )
    model = helper.make_model(
        graph,
        opset_imports=[helper.make_opsetid("", 21), helper.make_opsetid("com.microsoft", 1)],
        ir_version=10,
    )
    onnx.save(model, path)
    return path


def _layer(folder: Path, seed: int = 1, transposed: bool = False) -> Path:
    """y = (x mix) w, where few directions of x mix hold nearly all of it."""
    weights = {"mix": _mix(seed), "w": _numbers(seed + 3, K, N)}
    nodes = [helper.make_node("MatMul", ["x", "mix"], ["h"], name="mixes")]
    if transposed:
        weights["w"] = np.ascontiguousarray(weights["w"].T)
        nodes.append(helper.make_node("Transpose", ["w"], ["wt"], name="turns", perm=[1, 0]))
    read = "wt" if transposed else "w"
    nodes.append(helper.make_node("MatMul", ["h", read], ["y"], name="layer"))
    return _model(folder / "m.onnx", nodes, weights)


def _mix(seed: int) -> NDArray[np.float32]:
    """[K, K], of which few directions hold nearly all."""
    few = _numbers(seed, K, 6) @ _numbers(seed + 1, 6, K) / 6
    return few + 0.05 * _numbers(seed + 2, K, K)


def _filters(folder: Path) -> Path:
    """Convs over channels: the layer's filters see one place, those of "wide" nine."""
    weights = {
        "mix": _mix(1)[:, :, None, None],
        "wide": _numbers(4, 8, K, 3, 3),
        "w": _numbers(5, N, K, 1, 1),
        "b": _numbers(6, N),
    }
    nodes = [
        helper.make_node("Conv", ["x", "mix"], ["h"], name="mixes"),
        helper.make_node("Conv", ["h", "wide"], ["unread"], name="widens"),
        helper.make_node("Conv", ["h", "w", "b"], ["y"], name="layer"),
    ]
    return _model(folder / "m.onnx", nodes, weights, ("rows", K, 5, 3))


def _turned(folder: Path) -> Path:
    """y = (mix x)ᵀ w, which a Gemm turns itself."""
    weights = {"mix": _mix(1), "w": _numbers(5, K, N)}
    nodes = [
        helper.make_node("Transpose", ["x"], ["xt"], name="turns", perm=[1, 0]),
        helper.make_node("MatMul", ["mix", "xt"], ["h"], name="mixes"),
        helper.make_node("Gemm", ["h", "w"], ["y"], name="layer", transA=1),
    ]
    return _model(folder / "m.onnx", nodes, weights)


def _experts(folder: Path) -> Path:
    """A mixture of four experts, of which only the first table loses anything in 4 bits."""
    second = np.random.default_rng(7).integers(-8, 8, (4, K, 64)).astype(np.float32)
    second[:, :, ::16], second[:, :, 1::16] = -8, 7
    weights: dict[str, NDArray[np.float32]] = {
        "mix": _mix(1),
        "mix_router": _numbers(4, K, 4),
        "w": np.stack([_numbers(10 + expert, 64, K) for expert in range(4)]),
        "second": second / np.float32(64),
    }
    nodes = [
        helper.make_node("MatMul", ["x", "mix"], ["h"], name="mixes"),
        helper.make_node("MatMul", ["x", "mix_router"], ["router"], name="routes"),
        helper.make_node(
            "MoE",
            ["h", "router", "w", "", "second"],
            ["y"],
            name="layer",
            domain="com.microsoft",
            k=2,
            normalize_routing_weights=1,
            activation_type="relu",
        ),
    ]
    return _model(folder / "m.onnx", nodes, weights)


def _calibrate(model: Path, output: Path) -> Path:
    done = run("calibrate", model, "-o", output, "--dim", "rows=64", "--sequences", "8")
    assert done.returncode == 0, done.stderr
    return output


def _policy(folder: Path, method: str, rules: str = RULES) -> Path:
    path = folder / f"{method}.yaml"
    path.write_text(HEAD.replace("}}\n", f", method: {method}}}}}\n") + rules)
    return path


def _convert(model: Path, policy: Path, output: Path, *more: str | Path) -> Path:
    done = run("--policy", policy, model, "-o", output, *more)
    assert done.returncode == 0, done.stderr
    return output / "m_q4.onnx"


def _error(model: Path, converted: Path) -> float:
    """Of the outputs, relative."""
    sessions = [
        onnxruntime.InferenceSession(path, providers=["CPUExecutionProvider"])
        for path in (model, converted)
    ]
    feeds = {"x": _numbers(99, 256, *sessions[0].get_inputs()[0].shape[1:])}
    one, other = (session.run(["y"], feeds)[0] for session in sessions)
    return float(np.linalg.norm(other - one) / np.linalg.norm(one))


def _bytes(converted: Path) -> list[bytes]:
    return [path.read_bytes() for path in sorted(converted.parent.iterdir())]


@pytest.mark.parametrize(
    "build",
    [_layer, functools.partial(_layer, transposed=True), _filters, _turned, _experts],
    ids=["matrix", "transposed", "filters", "turned by a Gemm", "experts"],
)
def test_methods_that_take_more_pains_lose_less_in_the_same_bytes(
    build: Callable[[Path], Path], tmp_path: Path
) -> None:
    model = build(tmp_path)
    statistics = _calibrate(model, tmp_path / "c.safetensors")
    errors = {}
    sizes = set()
    for method in ("nearest", "search", "gptq"):
        converted = _convert(
            model,
            _policy(tmp_path, method, RULES + CONVS),
            tmp_path / method,
            "--calibration",
            statistics,
        )
        errors[method] = _error(model, converted)
        sizes.add(sum(map(len, _bytes(converted))))
    assert errors["search"] < 0.99 * errors["nearest"]
    assert errors["gptq"] < 0.6 * errors["search"]
    assert len(sizes) == 1


def test_threads_and_memory_do_not_change_a_byte(tmp_path: Path) -> None:
    model = _layer(tmp_path)
    statistics = _calibrate(model, tmp_path / "c.safetensors")
    policy = _policy(tmp_path, "gptq")
    written = [
        _bytes(_convert(model, policy, tmp_path / str(i), "--calibration", statistics, *options))
        for i, options in enumerate(
            [("--threads", "1"), ("--threads", "2"), ("--threads", "7", "--memory", "1M"), ()]
        )
    ]
    assert all(each == written[0] for each in written)


def test_a_plan_names_method_and_statistic(tmp_path: Path) -> None:
    model = _layer(tmp_path)
    statistics = _calibrate(model, tmp_path / "c.safetensors")
    options: list[str | Path] = ["--policy", _policy(tmp_path, "gptq"), "--calibration", statistics]
    done = run("plan", model, *options, "--json")
    assert done.returncode == 0, done.stderr
    rows = {row["name"]: row for row in json.loads(done.stdout)["outputs"][0]["tensors"]}
    assert (rows["w"]["method"], rows["w"]["statistic"]) == ("gptq", "h")
    assert rows["w"]["format"] == "int4 block 16 asymmetric, gptq"
    assert (rows["mix"]["method"], rows["mix"]["statistic"]) == ("", "")


def test_without_statistics_a_policy_that_needs_them_says_how_they_are_made(
    tmp_path: Path,
) -> None:
    model = _layer(tmp_path)
    done = run("--policy", _policy(tmp_path, "gptq"), model, "-o", tmp_path / "out")
    assert done.returncode == 3
    assert "gptq.yaml:3:11: this needs statistics of what the weights meet" in done.stderr
    assert "onnxquant calibrate MODEL -o FILE" in done.stderr
    assert not (tmp_path / "out").exists()


def test_a_rule_can_wait_for_statistics(tmp_path: Path) -> None:
    model = _layer(tmp_path)
    statistics = _calibrate(model, tmp_path / "c.safetensors")
    waits = RULES + "  - match: {calibrated: true}\n    method: gptq\n    optional: true\n"
    policy = tmp_path / "waits.yaml"
    policy.write_text(HEAD + waits)
    plain = _convert(model, policy, tmp_path / "plain")
    nearest = _convert(model, _policy(tmp_path, "nearest"), tmp_path / "nearest")
    better = _convert(model, policy, tmp_path / "better", "--calibration", statistics)
    gptq = _convert(
        model, _policy(tmp_path, "gptq"), tmp_path / "gptq", "--calibration", statistics
    )
    assert onnx.load(plain).graph == onnx.load(nearest).graph
    assert onnx.load(better).graph == onnx.load(gptq).graph
    assert onnx.load(better).graph != onnx.load(plain).graph
    # Without "optional" it is an error, as for every rule that matches nothing.
    strict = tmp_path / "strict.yaml"
    strict.write_text(policy.read_text().replace("gptq\n    optional: true\n", "gptq\n"))
    done = run("--policy", strict, model, "-o", tmp_path / "strict")
    assert done.returncode == 3
    assert "strict.yaml:8:5" in done.stderr and "--calibration" in done.stderr


def test_statistics_of_another_model_are_refused(tmp_path: Path) -> None:
    model = _layer(tmp_path)
    statistics = _calibrate(model, tmp_path / "c.safetensors")
    _layer(tmp_path, seed=9)
    policy = _policy(tmp_path, "gptq")
    done = run("--policy", policy, model, "-o", tmp_path / "out", "--calibration", statistics)
    assert done.returncode == 1
    assert "these statistics are of another model" in done.stderr
    assert not (tmp_path / "out").exists()


def test_statistics_that_are_none_are_refused(tmp_path: Path) -> None:
    model = _layer(tmp_path)
    policy = _policy(tmp_path, "gptq")
    (tmp_path / "text").write_text("no statistics")
    for name in ("none", "text"):
        file = tmp_path / name
        done = run("--policy", policy, model, "-o", tmp_path / "out", "--calibration", file)
        assert done.returncode == 1, done.stderr
        assert f"{file}: " in done.stderr
    assert not (tmp_path / "out").exists()


def test_what_was_not_observed_is_searched(tmp_path: Path) -> None:
    """Of a table that a Gather alone reads nothing is known."""
    nodes = [
        helper.make_node("Cast", ["x"], ["ids"], to=onnx.TensorProto.INT64),
        helper.make_node("Gather", ["table", "ids"], ["rows"], name="embeds"),
        helper.make_node("ReduceMean", ["rows", "one"], ["h"], keepdims=0),
        helper.make_node("MatMul", ["h", "w"], ["y"], name="layer"),
    ]
    path = _model(
        tmp_path / "m.onnx",
        nodes,
        {"table": _numbers(1, 90, K), "w": _numbers(2, K, N)},
    )
    model = onnx.load(path)
    model.graph.initializer.append(numpy_helper.from_array(np.array([1], np.int64), "one"))
    onnx.save(model, path)
    statistics = _calibrate(path, tmp_path / "c.safetensors")
    rules = f"rules:\n  - match: {{op: Gather}}\n    {FORMAT}\n"
    policy = _policy(tmp_path, "gptq", rules)
    options: list[str | Path] = ["--policy", policy, "--calibration", statistics]
    done = run("plan", path, *options, "--json")
    assert done.returncode == 0, done.stderr
    rows = {row["name"]: row for row in json.loads(done.stdout)["outputs"][0]["tensors"]}
    assert rows["table"]["method"] == "search"
    assert "lacks what meets the weight" in rows["table"]["why"][-1]
    assert rows["w"]["method"] == "gptq"


def test_formats_that_take_no_method_blame_no_calibration(tmp_path: Path) -> None:
    model = _layer(tmp_path)
    statistics = _calibrate(model, tmp_path / "c.safetensors")
    rules = RULES + "  - match: {weight: w}\n    weights: nf4\n"
    policy = _policy(tmp_path, "gptq", rules)
    done = run("plan", model, "--policy", policy, "--calibration", statistics, "--json")
    assert done.returncode == 0, done.stderr
    rows = {row["name"]: row for row in json.loads(done.stdout)["outputs"][0]["tensors"]}
    assert rows["w"]["method"] == "nearest"
    assert not any("the calibration, which lacks" in why for why in rows["w"]["why"])


def test_codes_that_a_table_shares_with_its_head_are_chosen_for_the_head(
    tmp_path: Path,
) -> None:
    nodes = [
        helper.make_node("Cast", ["x"], ["ids"], to=onnx.TensorProto.INT64),
        helper.make_node("Gather", ["table", "ids"], ["rows"], name="embeds"),
        helper.make_node("ReduceMean", ["rows", "one"], ["h"], keepdims=0),
        helper.make_node("Transpose", ["table"], ["turned"], perm=[1, 0]),
        helper.make_node("MatMul", ["h", "turned"], ["y"], name="head"),
    ]
    path = _model(tmp_path / "m.onnx", nodes, {"table": _numbers(1, 96, K)})
    model = onnx.load(path)
    model.graph.initializer.append(numpy_helper.from_array(np.array([1], np.int64), "one"))
    onnx.save(model, path)
    statistics = _calibrate(path, tmp_path / "c.safetensors")
    rules = f"rules:\n  - match: {{op: Gather}}\n    {FORMAT}\n"
    options: list[str | Path] = [
        "--policy",
        _policy(tmp_path, "gptq", rules),
        "--calibration",
        statistics,
    ]
    done = run("plan", path, *options, "--json")
    assert done.returncode == 0, done.stderr
    rows = [
        row for row in json.loads(done.stdout)["outputs"][0]["tensors"] if row["name"] == "table"
    ]
    assert [(row["method"], row["statistic"]) for row in rows] == [("gptq", "h")]


def test_words_that_are_no_method_are_corrected(tmp_path: Path) -> None:
    model = _layer(tmp_path)
    done = run("--policy", _policy(tmp_path, "gpqt"), model, "-o", tmp_path / "out")
    assert done.returncode == 3
    assert "method" in done.stderr and "did you mean 'gptq'?" in done.stderr
