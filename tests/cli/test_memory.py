"""Memory on the real Gemma 3 270M and on models of extreme shapes, file mappings aside."""

import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

import onnx
import pytest
from onnx import TensorProto, helper
from onnxquant_tools.product import gemma, scratch_folder
from program import BINARY, THREE, policy

LIMIT = 256 << 20
# What a conversion in two threads takes, nine outputs at once: working buffers and the plans.
BOUND = 64 << 20


@pytest.fixture
def scratch() -> Iterator[Path]:
    """Return a folder that goes away with the test."""
    with scratch_folder("memory") as folder:
        yield folder


def _anonymous(process: int) -> int:
    """Return a process's resident bytes that are no file's; 0 once it has ended."""
    try:
        lines = Path(f"/proc/{process}/status").read_text().splitlines()
    except (FileNotFoundError, ProcessLookupError):
        return 0
    fields = dict(line.split(":", 1) for line in lines)
    return int(fields.get("RssAnon", "0 kB").split()[0]) * 1024


def _peak(command: list[str]) -> tuple[int, str, int]:
    """Run a command and return its status, its messages, and the largest sample."""
    process = subprocess.Popen(command, stderr=subprocess.PIPE, text=True)
    peak = 0
    while process.poll() is None:
        peak = max(peak, _anonymous(process.pid))
        time.sleep(0.005)
    assert process.stderr is not None
    with process.stderr:
        return process.returncode, process.stderr.read(), peak


def test_sampling_sees_memory_that_is_used() -> None:
    _, _, peak = _peak(["python3", "-c", "x = bytearray(b'1') * (400 << 20); sum(x[::4096])"])
    assert peak > LIMIT


@pytest.mark.parametrize(
    ("policy", "outputs"), [("gemma-safe", 3), ("gemma-web", 4), ("transformersjs", 9)]
)
def test_anonymous_memory_stays_below_64_mib(scratch: Path, policy: str, outputs: int) -> None:
    status, messages, peak = _peak(
        [str(BINARY), "-q", "-j", "2", "--policy", policy, "-o", str(scratch), str(gemma())]
    )
    assert status == 0, messages
    assert len(list(scratch.iterdir())) == 2 * outputs
    assert 4 << 20 < peak < BOUND, f"{peak / 2**20:.0f} MiB"


@pytest.mark.parametrize("shape", [(64, 2_000_000), (2_000_000, 64), (3, 40_000_000)])
@pytest.mark.parametrize("transposed", [False, True])
@pytest.mark.parametrize("offset", [0, 3])
def test_the_shape_of_a_weight_does_not_matter(
    scratch: Path, shape: tuple[int, int], transposed: bool, offset: int
) -> None:
    """Half a gigabyte of zeros, which take no disk, in three outputs; rows of up to 160 MB."""
    weight = TensorProto(name="w", data_type=TensorProto.FLOAT, dims=shape)
    weight.data_location = TensorProto.EXTERNAL
    weight.external_data.add(key="location", value="big")
    weight.external_data.add(key="offset", value=str(offset))
    rows, columns = shape
    transpose = [helper.make_node("Transpose", ["w"], ["t"], perm=[1, 0])] if transposed else []
    graph = helper.make_graph(
        [
            *transpose,
            helper.make_node("MatMul", ["x", "t" if transposed else "w"], ["y"]),
        ],
        "g",
        [
            helper.make_tensor_value_info(
                "x", TensorProto.FLOAT, [1, columns if transposed else rows]
            )
        ],
        [helper.make_tensor_value_info("y", TensorProto.FLOAT, None)],
        [weight],
    )
    imports = [helper.make_opsetid("", 21)]
    model = helper.make_model(graph, opset_imports=imports, ir_version=10)
    (scratch / "model.onnx").write_bytes(model.SerializeToString())
    with (scratch / "big").open("wb") as file:
        file.truncate(rows * columns * 4 + offset)
    command = [str(BINARY), "-q", "-f", "--policy", str(policy(scratch, THREE))]
    limits = ["-j", "2", "--memory", "64M"]
    status, messages, peak = _peak([*command, *limits, str(scratch / "model.onnx")])
    assert status == 0, messages
    assert peak < 96 << 20, f"{peak / 2**20:.0f} MiB"
    for path in [scratch / "big", *scratch.glob("model_*")]:
        path.unlink()


def test_a_node_takes_less_than_1500_bytes_whatever_the_number_of_outputs(
    scratch: Path,
) -> None:
    nodes = 100_000
    values = ["x", *(f"v{i}" for i in range(1, nodes)), "y"]
    graph = onnx.GraphProto(name="g")
    graph.input.append(helper.make_tensor_value_info("x", TensorProto.FLOAT, [4, 4]))
    graph.output.append(helper.make_tensor_value_info("y", TensorProto.FLOAT, [4, 4]))
    for i in range(nodes):
        op = ("Sqrt", "Transpose", "Tanh", "Identity")[i % 4]
        graph.node.add(op_type=op, input=[values[i]], output=[values[i + 1]], name=f"n{i}")
    imports = [helper.make_opsetid("", 21)]
    model = helper.make_model(graph, opset_imports=imports, ir_version=10)
    (scratch / "model.onnx").write_bytes(model.SerializeToString())
    for command in (["plan"], ["-f"]):
        arguments = [*command, "-q", "--policy", str(policy(scratch, THREE))]
        status, messages, peak = _peak([str(BINARY), *arguments, str(scratch / "model.onnx")])
        assert status == 0, messages
        assert peak < nodes * 1500, f"{peak / nodes:.0f} bytes a node"
