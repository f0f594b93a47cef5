"""Formats whose codes have the weight's own shape and whose readers stay: what they stand for."""

from dataclasses import dataclass

import numpy as np
import onnx
import onnxruntime as ort
import weight_models as wm
from weight_models import Array, Site

FLOAT8 = {
    "float8_e4m3": ("_E4M3", "float8_e4m3fn", 448.0, 2.0**-4),
    "float8_e5m2": ("_E5M2", "float8_e5m2", 448.0, 2.0**-3),
}


@dataclass(frozen=True)
class Kept:
    """A word and what shares a scale: so many values, a channel, or (None) all."""

    word: str
    shares: int | str | None = "channel"

    @property
    def float8(self) -> bool:
        """Whether codes are floats."""
        return self.word in FLOAT8

    @property
    def signed(self) -> bool:
        """Whether there are no zero points."""
        return self.float8 or "_int" in self.word

    @property
    def bits(self) -> int:
        """Bits of a code."""
        return 8 if self.float8 else int(self.word[-1])

    def __str__(self) -> str:
        """Return what stands after `weights:`."""
        if isinstance(self.shares, int):
            return f"{{format: {self.word}, block: {self.shares}}}"
        return f"{{format: {self.word}, per_channel: {str(self.shares == 'channel').lower()}}}"


def axes(op: str, site: Site) -> tuple[int | None, int]:
    """Return the axis of blocks and that of channels."""
    last = site.weight.ndim - 1
    if op == "ConvTranspose":
        return 0, 1
    if op in ("MatMul", "Gemm", "Einsum") and not site.by_rows:
        return last - 1, last
    return (None if op == "Conv" else last), 0


def parts_of(form: Kept, op: str, site: Site, compute: str) -> dict[str, tuple[str, list[int]]]:
    """Return the type and dims of each stored tensor, by its suffix."""
    dims = list(site.weight.shape)
    along, channels = axes(op, site)
    scales: list[int] = []
    if isinstance(form.shares, int) and along is not None:
        scales = dims.copy()
        scales[along] = -(-dims[along] // form.shares)
    elif form.shares is not None:
        scales = [dims[channels]]
        if form.float8:
            scales += [1] * (len(dims) - 1 - channels)
    if form.float8:
        suffix, kind, _, _ = FLOAT8[form.word]
        return {suffix: (kind, dims), "_scale": (compute, scales)}
    kind = form.word.removeprefix("qdq_")
    parts = {f"_DQ_Q{form.bits}": (kind, dims), "_DQ_scales": (compute, scales)}
    if not form.signed:
        parts["_DQ_zero_points"] = (kind, scales)
    return parts


def values_of(parts: dict[str, Array], name: str, form: Kept, op: str, site: Site) -> Array:
    """Return what is stored, after a look at its distance from the weight."""
    weight = site.weight
    along, channels = axes(op, site)

    def spread(scales: Array) -> Array:
        if isinstance(form.shares, int) and along is not None:
            wide = np.repeat(scales, form.shares, along)
            return np.take(wide, np.arange(weight.shape[along]), along)
        if form.shares is None:
            return np.broadcast_to(scales, weight.shape)
        lined_up = [1] * weight.ndim
        lined_up[channels] = -1
        return np.broadcast_to(scales.reshape(lined_up), weight.shape)

    if form.float8:
        suffix, _, largest, most = FLOAT8[form.word]
        steps = spread(parts[f"{name}_scale"].astype(np.float32))
        values = parts[name + suffix].astype(np.float32) * steps
        # Half a step of the last digit; below the normal numbers, of the smallest.
        smallest = 2.0**-10 if form.word == "float8_e4m3" else 2.0**-17
        allowed = np.maximum(np.abs(weight) * most, smallest * steps) * 1.001
        assert np.all(np.abs(weight) <= steps * largest * 1.001), name
    else:
        codes = parts[f"{name}_DQ_Q{form.bits}"].astype(np.int32)
        steps = spread(parts[f"{name}_DQ_scales"].astype(np.float32))
        points: Array = np.zeros(weight.shape, np.int32)
        if not form.signed:
            points = spread(parts[f"{name}_DQ_zero_points"].astype(np.int32))
        values = ((codes - points) * steps).astype(np.float32)
        half = parts[f"{name}_DQ_scales"].dtype == np.float16
        lowest = -(2 ** (form.bits - 1)) if form.signed else 0
        ends = (codes == lowest) | (codes == lowest + 2**form.bits - 1)
        # What lies at an end may be a step beyond it: zero points are rounded, and the value
        # opposite to the largest has no code. A scale of float16 moves it by a part of a step.
        allowed = (0.501 + np.where(ends, 0.5, 0)) * np.abs(steps)
        allowed = allowed + (2.0 ** (form.bits - 11) * np.abs(steps) if half else 1e-12)
    assert np.all(np.abs(values - weight) <= allowed), name
    return np.asarray(values, np.float32)


def expected(
    form: Kept, op: str, sites: list[Site], compute: str
) -> dict[str, tuple[str, list[int]]]:
    """Return all stored tensors but the sites' other constants."""
    return {
        f"s{i}.w{suffix}": part
        for i, site in enumerate(sites)
        for suffix, part in parts_of(form, op, site, compute).items()
    }


def as_written(model: onnx.ModelProto, sites: list[Site]) -> dict[str, Array]:
    """Return the outputs where ONNX Runtime runs the nodes as they are."""
    options = ort.SessionOptions()
    options.graph_optimization_level = ort.GraphOptimizationLevel.ORT_DISABLE_ALL
    return wm.results(model, sites, options=options)
