"""Weights in codes behind a DequantizeLinear, for tests of how others read the same codes."""

from dataclasses import dataclass
from typing import Any

import numpy as np
import onnx
from numpy.typing import NDArray
from onnx import TensorProto, helper, numpy_helper

Array = NDArray[Any]
KINDS = {
    (4, True): TensorProto.INT4,
    (4, False): TensorProto.UINT4,
    (8, True): TensorProto.INT8,
    (8, False): TensorProto.UINT8,
}
BOTH = (
    "policy: 1\nname: p\noutputs:\n"
    "  q4: {{compute: float32, weights: int{0}, io: float32}}\n"
    "  q4f16: {{compute: float16, weights: int{0}, io: float32}}\n"
)


@dataclass
class Coded:
    """A weight [K, N], or turned [N, K], in blocks of codes along K."""

    k: int = 96
    n: int = 18
    block: int = 32
    bits: int = 4
    is_signed: bool = True
    points: bool = True  # zero points
    turned: bool = False
    half: bool = False  # scales of float16

    def arrays(self) -> tuple[Array, Array, Array]:
        """Return codes, scales and zero points; without them, those that hold in their place."""
        random = np.random.default_rng(self.k + self.bits)
        low = -(2 ** (self.bits - 1)) if self.is_signed else 0
        blocks = [-(-self.k // self.block), self.n]
        codes = random.integers(low, low + 2**self.bits, (self.k, self.n))
        scales = random.uniform(0.01, 0.1, blocks).astype(np.float16 if self.half else np.float32)
        points = random.integers(low, low + 2**self.bits, blocks)
        return codes, scales, points if self.points else np.zeros_like(points)

    def values(self) -> Array:
        """Return the floats [K, N] that it stands for."""
        codes, scales, points = self.arrays()
        of = np.arange(self.k) // self.block
        return ((codes - points[of]) * scales[of].astype(np.float32)).astype(np.float32)

    def model(self, more: list[onnx.NodeProto] | None = None, **attributes: Any) -> onnx.ModelProto:
        """Return y = x w, and what else reads the floats `f`."""
        codes, scales, points = (a.T if self.turned else a for a in self.arrays())
        kind = KINDS[self.bits, self.is_signed]
        weights = [_tensor("w", codes, kind, self.bits)]
        weights.append(numpy_helper.from_array(scales.copy(), "s"))
        if self.points:
            weights.append(_tensor("z", points, kind, self.bits))
        says: dict[str, Any] = {
            "axis": 1 if self.turned else 0,
            "block_size": self.block,
            **attributes,
        }
        names = ["w", "s", "z"] if self.points else ["w", "s"]
        floats = "h" if self.half else "f"
        nodes = [helper.make_node("DequantizeLinear", names, [floats], "d", **says)]
        if self.half:
            nodes.append(helper.make_node("Cast", ["h"], ["f"], to=TensorProto.FLOAT))
        if self.turned:
            nodes.append(helper.make_node("Transpose", ["f"], ["t"], "t", perm=[1, 0]))
        nodes.append(helper.make_node("MatMul", ["x", "t" if self.turned else "f"], ["y"], "m"))
        outputs = ["y", *(name for node in more or [] for name in node.output)]
        graph = helper.make_graph(
            [*nodes, *(more or [])],
            "g",
            [helper.make_tensor_value_info("x", TensorProto.FLOAT, ["rows", self.k])],
            [helper.make_tensor_value_info(name, TensorProto.FLOAT, None) for name in outputs],
            weights,
        )
        imports = [helper.make_opsetid("", 21)]
        return helper.make_model(graph, opset_imports=imports, ir_version=10)


def _tensor(name: str, codes: Array, kind: int, bits: int) -> TensorProto:
    flat = codes.reshape(-1) & (2**bits - 1)
    flat = np.concatenate([flat, np.zeros(-len(flat) % (8 // bits), flat.dtype)])
    shifts = np.arange(0, 8, bits)
    packed = (flat.reshape(-1, 8 // bits) << shifts).sum(1).astype(np.uint8)
    return TensorProto(name=name, data_type=kind, dims=codes.shape, raw_data=packed.tobytes())
