"""Models that are deep, wide or all alike: linear work, or refused by name before the work is done.

Each run may take two gigabytes of memory and no more.
"""

import resource
import signal
import subprocess
import time
from collections.abc import Callable
from pathlib import Path

import onnx
import pytest
from onnx import TensorProto, helper
from program import BINARY, FP16, policy, run
from refusing import refuses

MEMORY = 2 << 30


def _node(
    op: str, inputs: list[str], output: str, name: str = "", domain: str = ""
) -> onnx.NodeProto:
    return onnx.NodeProto(op_type=op, input=inputs, output=[output], name=name, domain=domain)


def _value(name: str) -> onnx.ValueInfoProto:
    return helper.make_tensor_value_info(name, TensorProto.FLOAT, [4])


def _model(
    nodes: list[onnx.NodeProto], functions: list[onnx.FunctionProto] | None = None
) -> onnx.ModelProto:
    graph = helper.make_graph(nodes, "g", [_value("x")], [_value("y")])
    imports = [helper.make_opsetid("", 21), helper.make_opsetid("local", 1)]
    return helper.make_model(graph, opset_imports=imports, ir_version=10, functions=functions or [])


def _chain(op: str, length: int, name: Callable[[int], str] = "n{}".format) -> list[onnx.NodeProto]:
    """Return nodes of which each reads the one before; the first reads x, the last makes y."""
    values = ["x", *(f"v{i}" for i in range(1, length)), "y"]
    return [_node(op, [values[i]], values[i + 1], name(i)) for i in range(length)]


def _functions(count: int, calls: int) -> list[onnx.FunctionProto]:
    """Return functions f0, f1, … of which each calls the next so many times."""
    made = []
    for i in range(count):
        values = ["a", *(f"t{k}" for k in range(1, calls)), "b"]
        op, domain = (f"f{i + 1}", "local") if i + 1 < count else ("Relu", "")
        nodes = [_node(op, [values[k]], values[k + 1], "", domain) for k in range(calls)]
        imports = [helper.make_opsetid("", 21), helper.make_opsetid("local", 1)]
        made.append(helper.make_function("local", f"f{i}", ["a"], ["b"], nodes, imports))
    return made


def _calling(count: int, calls: int) -> onnx.ModelProto:
    return _model([_node("f0", ["x"], "y", "", "local")], _functions(count, calls))


def _limited() -> None:
    resource.setrlimit(resource.RLIMIT_AS, (MEMORY, MEMORY))


def _write(folder: Path, model: onnx.ModelProto) -> None:
    (folder / "model.onnx").write_bytes(model.SerializeToString())
    policy(folder, FP16)


@pytest.mark.parametrize(
    ("model", "words"),
    [
        (lambda: _calling(10, 10), "nodes; at most 1048576 are taken"),
        (lambda: _calling(50_000, 1), "leads through more functions"),
        (lambda: _calling(40, 40), "nodes; at most 1048576 are taken"),
    ],
)
def test_functions_that_multiply_are_refused_by_name(
    tmp_path: Path, model: Callable[[], onnx.ModelProto], words: str
) -> None:
    _write(tmp_path, model())
    refuses(tmp_path, 2, "the local function 'f", words)
    for command in ("inspect", "check", "diff"):
        models = [tmp_path / "model.onnx"] * (2 if command == "diff" else 1)
        done = run(command, *models, preexec_fn=_limited)
        assert done.returncode == 2, done.stderr
        assert words in done.stderr


def _nested(depth: int) -> bytes:
    """Return a model of Ifs in one another; protobuf's own classes serialize no such depth."""

    def field(number: int, content: bytes) -> bytes:
        length, size = b"", len(content)
        while size >= 0x80:
            length, size = length + bytes([size & 0x7F | 0x80]), size >> 7
        return bytes([number << 3 | 2]) + length + bytes([size]) + content

    body = helper.make_graph([_node("Identity", ["x"], "r")], "b", [], [_value("r")])
    graph = body.SerializeToString()
    for i in range(depth):
        attribute = onnx.AttributeProto(name="then_branch", type=onnx.AttributeProto.GRAPH)
        content = attribute.SerializeToString() + field(6, graph)
        node = _node("If", ["c"], f"r{i}").SerializeToString() + field(5, content)
        rest = onnx.GraphProto(name="b", output=[_value(f"r{i}")])
        graph = field(1, node) + rest.SerializeToString()
    start: bytes = _model([]).SerializeToString()
    return start + field(7, graph)


@pytest.mark.parametrize("depth", [40, 8192])
def test_bodies_nested_in_one_another_are_refused_by_place(tmp_path: Path, depth: int) -> None:
    (tmp_path / "model.onnx").write_bytes(_nested(depth))
    policy(tmp_path, FP16)
    refuses(tmp_path, 2, "nested more than 100 messages deep at byte")


@pytest.mark.parametrize(
    ("model", "words"),
    [
        (
            lambda: _model(_chain("Relu", 40_000, lambda _: "n")),
            "39999 node names were taken",
        ),
        (lambda: _model(_chain("Transpose", 40_000)), ""),
        (lambda: _model(_chain("Relu", 40_000)[::-1]), ""),
        (lambda: _model([_node("Sum", ["x"] * 100_000, "y", "sum")]), ""),
        (
            lambda: _model(
                [
                    *(_node("Relu", ["x"], f"r{i}", f"n{i}") for i in range(40_000)),
                    _node("Sum", [f"r{i}" for i in range(40_000)], "y", "sum"),
                ]
            ),
            "",
        ),
    ],
    ids=["one-name", "movers", "reversed", "inputs", "readers"],
)
def test_many_of_a_kind_are_converted(
    tmp_path: Path, model: Callable[[], onnx.ModelProto], words: str
) -> None:
    _write(tmp_path, model())
    done = run("--policy", tmp_path / "p.yaml", tmp_path / "model.onnx", preexec_fn=_limited)
    assert done.returncode == 0, done.stderr
    assert words in done.stderr
    names = [node.name for node in onnx.load(tmp_path / "model_fp16.onnx").graph.node]
    assert len(set(names)) == len(names)


@pytest.mark.parametrize("command", [["plan"], []], ids=["plan", "convert"])
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_an_interrupt_ends_a_run_that_still_plans(
    tmp_path: Path, command: list[str], number: signal.Signals
) -> None:
    _write(tmp_path, _model(_chain("Relu", 200_000)))
    before = sorted(path.name for path in tmp_path.iterdir())
    process = subprocess.Popen(
        [
            str(BINARY),
            *command,
            "--policy",
            str(tmp_path / "p.yaml"),
            str(tmp_path / "model.onnx"),
        ],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        preexec_fn=lambda: signal.signal(number, signal.SIG_DFL),
    )
    while "model.onnx" not in Path(f"/proc/{process.pid}/maps").read_text():
        assert process.poll() is None, "it ended before it could be interrupted"
        time.sleep(0.001)
    process.send_signal(number)
    out, messages = process.communicate(timeout=60)
    assert (process.returncode, out) == (130, "")
    assert messages == "onnxquant: interrupted\n"
    assert sorted(path.name for path in tmp_path.iterdir()) == before
