"""Operators for ONNX's reference evaluator that add as float16 hardware does, or that it lacks.

NumPy keeps the sums of a float16 product, and most of those of a reduction, in float32 until they
are stored. WebGPU adds in the type of its operands: so do these, one element after the other.
"""

from typing import Any

import numpy as np
import numpy.typing as npt
from onnx.reference.op_run import OpRun

Array = npt.NDArray[Any]


def added(terms: Array, axis: int) -> Array:
    """Return the sums over an axis, each rounded to the terms' type after every element."""
    if terms.dtype != np.float16 or terms.shape[axis] == 0:
        return np.asarray(terms.sum(axis, dtype=terms.dtype))
    with np.errstate(over="ignore", invalid="ignore"):
        sums = np.cumsum(terms, axis=axis, dtype=terms.dtype)
    return np.asarray(np.take(sums, -1, axis=axis))


def _reduced(x: Array, axes: Any, keepdims: int | None, noop: int | None) -> tuple[Array, int]:
    """Return the sums over axes, and of how many elements each is."""
    chosen = [] if axes is None else [int(axis) % x.ndim for axis in np.ravel(axes)]
    if not chosen:
        if noop:
            return x, 1
        chosen = list(range(x.ndim))
    count = int(np.prod([x.shape[axis] for axis in chosen]))
    rest = [axis for axis in range(x.ndim) if axis not in chosen]
    flat = np.transpose(x, rest + chosen).reshape([x.shape[axis] for axis in rest] + [-1])
    sums = added(flat, flat.ndim - 1)
    if keepdims is None or keepdims:
        sums = np.expand_dims(sums, tuple(chosen))
    return np.asarray(sums), count


class ReduceSum(OpRun):
    """ReduceSum whose sums have the type of its input."""

    def _run(
        self, x: Array, axes: Any = None, keepdims: Any = 1, noop_with_empty_axes: Any = 0
    ) -> tuple[Array]:
        return (_reduced(x, axes, keepdims, noop_with_empty_axes)[0],)


class ReduceMean(OpRun):
    """ReduceMean whose sums have the type of its input."""

    def _run(
        self, x: Array, axes: Any = None, keepdims: Any = 1, noop_with_empty_axes: Any = 0
    ) -> tuple[Array]:
        sums, count = _reduced(x, axes, keepdims, noop_with_empty_axes)
        return (np.asarray(sums / np.asarray(count, np.float32).astype(x.dtype), x.dtype),)


class ReduceL2(OpRun):
    """ReduceL2 whose squares and sums have the type of its input."""

    def _run(
        self, x: Array, axes: Any = None, keepdims: Any = 1, noop_with_empty_axes: Any = 0
    ) -> tuple[Array]:
        with np.errstate(over="ignore"):
            squares = np.asarray(x * x)
        sums, _ = _reduced(squares, axes, keepdims, noop_with_empty_axes)
        return (np.asarray(np.sqrt(sums), x.dtype),)


def product(a: Array, b: Array) -> Array:
    """Return a matrix product whose sums have the type of its operands."""
    if a.dtype != np.float16:
        return np.asarray(np.matmul(a, b), a.dtype)
    with np.errstate(over="ignore", invalid="ignore"):
        shape = np.matmul(np.ones(a.shape, np.bool_), np.ones(b.shape, np.bool_)).shape
        sums = np.zeros(shape, a.dtype)
        for k in range(a.shape[-1]):
            row = b[..., k : k + 1, :]
            sums = np.asarray(sums + a[..., :, k : k + 1] * row, a.dtype)
    return sums


class MatMul(OpRun):
    """MatMul whose sums have the type of its operands."""

    def _run(self, a: Array, b: Array) -> tuple[Array]:
        if a.ndim < 2 or b.ndim < 2:
            return (np.asarray(np.matmul(a, b), a.dtype),)
        return (product(a, b),)


class Gemm(OpRun):
    """Gemm whose sums have the type of its operands."""

    def _run(
        self,
        a: Array,
        b: Array,
        c: Array | None = None,
        **attributes: Any,
    ) -> tuple[Array]:
        given = {"alpha": 1, "beta": 1, "transA": 0, "transB": 0}
        given |= {name: value for name, value in attributes.items() if value is not None}
        y = product(a.T if given["transA"] else a, b.T if given["transB"] else b)
        y = np.asarray(y * np.asarray(given["alpha"], a.dtype), a.dtype)
        if c is not None:
            y = np.asarray(y + c * np.asarray(given["beta"], a.dtype), a.dtype)
        return (y,)


class Einsum(OpRun):
    """Einsum whose sums have the type of its operands: of letters alone, or with an ellipsis."""

    def _run(self, *operands: Array, equation: str) -> tuple[Array]:
        if operands[0].dtype != np.float16 or "->" not in equation:
            return (np.asarray(np.einsum(equation, *operands), operands[0].dtype),)
        terms, result = equation.replace(" ", "").split("->")
        axes = terms.split(",")
        for axis, operand in zip(axes, operands, strict=True):
            if "..." in axis:
                spread = "ABCDEF"[: operand.ndim - len(axis) + 3]
                terms, result = terms.replace("...", spread), result.replace("...", spread)
                break
        summed = "".join(sorted(set(terms) - set(result) - {","}))
        with np.errstate(over="ignore", invalid="ignore"):
            products = np.einsum(f"{terms}->{result}{summed}", *operands)
            flat = products.reshape(*products.shape[: len(result)], -1)
            return (added(flat, flat.ndim - 1),)


class MatMulNBits(OpRun):
    """ONNX Runtime's product with a matrix of 4-bit codes."""

    op_domain = "com.microsoft"

    def _run(
        self, a: Array, codes: Array, scales: Array, *rest: Array, **attributes: Any
    ) -> tuple[Array]:
        size, rows, columns = (int(attributes[name]) for name in ("block_size", "K", "N"))
        assert attributes["bits"] == 4
        assert not any(item is not None for item in rest), "symmetric codes only"
        nibbles = np.stack([codes & 15, codes >> 4], -1).reshape(columns, -1, size)
        steps = nibbles.astype(np.float32) - 8
        weight = steps * scales.reshape(columns, -1, 1).astype(np.float32)
        return (product(a, weight.reshape(columns, -1)[:, :rows].T.astype(a.dtype)),)


HALF_OPS: list[type[OpRun]] = [
    ReduceSum,
    ReduceMean,
    ReduceL2,
    MatMul,
    Gemm,
    Einsum,
    MatMulNBits,
]
