"""Models of single operators with constant weights, and what stored weights stand for, in NumPy."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import onnxruntime as ort
from numpy.typing import NDArray
from onnx import helper, numpy_helper
from program import policy, run, save

Array = NDArray[Any]
CODES = {2: "_Q2", 4: "_Q4", 8: "_Q8"}


@dataclass(frozen=True)
class Format:
    """A weight format as a policy spells it."""

    word: str
    block: int = 32
    symmetric: bool = True
    per_channel: bool = False
    reduce_range: bool = False
    source: str = "float32"

    @property
    def dynamic(self) -> bool:
        """Whether activations are quantized, too."""
        return self.word.startswith("dynamic")

    @property
    def bits(self) -> int:
        """Bits of a code."""
        return int(self.word[-1])

    def __str__(self) -> str:
        """Return what stands after `weights:`."""
        text = f"format: {self.word}, symmetric: {str(self.symmetric).lower()}"
        if self.dynamic:
            text += f", per_channel: {str(self.per_channel).lower()}"
            text += f", reduce_range: {str(self.reduce_range).lower()}"
        else:
            text += f", block: {self.block}, source: {self.source}"
        return f"{{{text}}}"


@dataclass
class Site:
    """Nodes around one weight, with inputs and an output `y` of their own."""

    nodes: list[onnx.NodeProto]
    weight: Array
    feeds: dict[str, Array]
    by_rows: bool = False  # the weight is [N, K...], not [K, N]
    constants: dict[str, Array] = field(default_factory=dict)


@dataclass(frozen=True)
class Stored:
    """What a weight's codes stand for, in the weight's shape; a step each; where codes end."""

    values: Array
    steps: Array
    clipped: Array


def activations(random: np.random.Generator, *shape: int) -> Array:
    """Return small numbers and one large: no sum of two 8-bit products comes near 2^15."""
    x = random.normal(0, 0.1, shape).astype(np.float32)
    x.flat[0] = 1
    return x


def weights(random: np.random.Generator, k: int, n: int) -> Array:
    """Return [K, N] with zeros, negative zeros, numbers of one sign and others in its columns."""
    w = random.normal(0, 0.1, (k, n)).astype(np.float32)
    if n > 4:
        w[:, 1] = 0
        w[:, 2] = -0.0
        w[:, 3] = 0.05 + np.abs(w[:, 3])
        w[:, 4] = -0.05 - np.abs(w[:, 4])
    w[16:32, 0] = 0
    return w


def build(
    sites: Sequence[Site], stand_in: dict[int, Array] | None = None, opset: int = 21
) -> onnx.ModelProto:
    """Return one model of all sites, whose names get the number of the site before them."""
    nodes, inputs, outputs, initializers = [], [], [], []
    for i, site in enumerate(sites):
        for node in site.nodes:
            copy = onnx.NodeProto()
            copy.CopyFrom(node)
            copy.input[:] = [f"s{i}.{name}" if name else "" for name in node.input]
            copy.output[:] = [f"s{i}.{name}" for name in node.output]
            copy.name = f"s{i}.{node.output[0]}.{node.op_type}"
            nodes.append(copy)
        for name, x in site.feeds.items():
            kind = helper.np_dtype_to_tensor_dtype(x.dtype)
            inputs.append(helper.make_tensor_value_info(f"s{i}.{name}", kind, x.shape))
        for name in dict.fromkeys(o for n in site.nodes for o in n.output if o.startswith("y")):
            outputs.append(helper.make_tensor_value_info(f"s{i}.{name}", 1, None))
        constants = {"w": (stand_in or {}).get(i, site.weight), **site.constants}
        initializers += [numpy_helper.from_array(a, f"s{i}.{n}") for n, a in constants.items()]
    graph = helper.make_graph(nodes, "sites", inputs, outputs, initializers)
    domains = sorted({node.domain for node in nodes if node.domain})
    opsets = [helper.make_opsetid("", opset), *(helper.make_opsetid(d, 1) for d in domains)]
    return helper.make_model(graph, opset_imports=opsets, ir_version=10)


def results(
    model: onnx.ModelProto,
    sites: Sequence[Site],
    change: Callable[[Array], Array] | None = None,
    options: ort.SessionOptions | None = None,
) -> dict[str, Array]:
    """Return the outputs on ONNX Runtime's CPU provider; `change` is for float inputs."""
    session = ort.InferenceSession(
        model.SerializeToString(), options, providers=["CPUExecutionProvider"]
    )
    feeds = {f"s{i}.{name}": x for i, site in enumerate(sites) for name, x in site.feeds.items()}
    if change is not None:
        feeds = {n: change(x) if x.dtype == np.float32 else x for n, x in feeds.items()}
    names = [output.name for output in model.graph.output]
    return dict(zip(names, session.run(names, feeds), strict=True))


def converted(
    folder: Path,
    sites: Sequence[Site],
    form: object,
    compute: str = "float32",
    opset: int = 21,
    rule: str = "{op: [Gather, Conv]}",
) -> onnx.ModelProto:
    """Convert with a policy of one output and a rule; a word is that of a built-in one."""
    arguments: list[str | Path] = ["--policy", form] if isinstance(form, str) else []
    if not isinstance(form, str):
        text = (
            f"policy: 1\nname: p\noutputs:\n"
            f"  q4: {{compute: {compute}, weights: {form}, io: float32}}\n"
            f"rules:\n  - match: {rule}\n    weights: {form}\n    optional: true\n"
        )
        arguments = ["--policy", policy(folder, text)]
    done = run(*arguments, "-o", folder / "out", save(build(sites, opset=opset), folder))
    assert done.returncode == 0, done.stderr
    (path,) = (folder / "out").glob("*.onnx")
    return onnx.load(path)


def initializers(model: onnx.ModelProto) -> dict[str, Array]:
    """Return the stored tensors by name."""
    return {t.name: numpy_helper.to_array(t) for t in model.graph.initializer}


def quantized_dynamically(x: Array) -> Array:
    """Return what is left of an activation after DynamicQuantizeLinear."""
    lo, hi = np.float32(min(0, x.min())), np.float32(max(0, x.max()))
    scale = (hi - lo) / np.float32(255)
    zero_point = np.rint(np.clip(-lo / scale, 0, 255))
    codes = np.clip(np.rint(x / scale) + zero_point, 0, 255)
    return np.asarray((codes - zero_point) * scale, np.float32)


def unpacked(data: Array, bits: int) -> Array:
    """Return codes [rows, any] from bytes, of which the low bits come first."""
    shifts = np.arange(0, 8, bits, dtype=np.uint8)
    codes = (data[..., None] >> shifts) & np.uint8(2**bits - 1)
    return np.asarray(codes.reshape(len(data), -1), np.int32)


def from_blocks(parts: dict[str, Array], name: str, form: Format, site: Site) -> Stored:
    """Read codes in blocks along K: [N, blocks, bytes], or [N, bytes] for tables."""
    conv = site.nodes[-1].op_type == "Conv"
    rows, columns = site.weight.shape[:2] if conv else site.weight.shape[-2:]
    n, k = (rows, columns) if site.by_rows else (columns, rows)
    scales = parts[f"{name}_scales"].astype(np.float32)
    data = parts[name + CODES[form.bits]]
    codes = unpacked(data.reshape(n, -1), form.bits)[:, :k]
    zero_points = np.full(scales.shape, 2 ** (form.bits - 1))
    if not form.symmetric:
        packed = parts[f"{name}_zero_points"]
        zero_points = unpacked(packed, form.bits)[:, : scales.shape[1]]
    block = np.arange(k) // form.block
    steps = scales[:, block]
    values = ((codes - zero_points[:, block]) * steps).astype(np.float32)
    whole = [values, np.abs(steps), codes == 2**form.bits - 1]
    turned = [a if site.by_rows else a.T for a in whole]
    return Stored(*(np.ascontiguousarray(a).reshape(site.weight.shape) for a in turned))


def from_integers(parts: dict[str, Array], name: str, site: Site) -> Stored:
    """Read codes in the weight's own shape, with a scale for all or for each channel."""
    codes = parts[f"{name}_quantized"].astype(np.int32)
    scale = parts[f"{name}_scale"]
    zero_point = parts.get(f"{name}_zero_point", np.zeros(scale.shape)).astype(np.int32)
    lined_up = (-1,) + (1,) * (codes.ndim - 1) if site.by_rows else (1, -1)
    steps = np.broadcast_to(scale.reshape(lined_up), codes.shape)
    values = ((codes - zero_point.reshape(lined_up)) * steps).astype(np.float32)
    return Stored(values, steps, np.zeros(codes.shape, bool))


def operators(model: onnx.ModelProto) -> list[str]:
    """Return the types of all nodes, in their order."""
    return [node.op_type for node in model.graph.node]


def expect_equal(got: dict[str, Array], expected: dict[str, Array], most: float) -> None:
    """Compare outputs; `most` is a part of each one's largest number."""
    assert list(got) == list(expected)
    for name, y in expected.items():
        assert got[name].shape == y.shape
        assert got[name].dtype == y.dtype
        assert np.abs(got[name] - y).max() <= most * np.abs(y).max(), name
