"""Converts small models as a user would, and judges what they compute in true 16-bit arithmetic.

ONNX Runtime's CPU provider computes float16 models in float32, which hides what other providers do.
So a converted model runs there, to see that it loads, and in ONNX's reference evaluator, whose
float16 is NumPy's; half_ops.py makes its sums as WebGPU makes them.
"""

import json
import subprocess
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import onnx
import pytest
from half_ops import HALF_OPS
from onnx import numpy_helper
from onnx.reference import ReferenceEvaluator
from onnxquant_tools.conformance_runtime import load, run
from onnxquant_tools.product import program

Array = npt.NDArray[Any]
Feeds = dict[str, Array]
# The largest relative error, by the Euclidean norm, that a conversion may have.
BOUNDS = {"fp16": 0.02, "bf16": 0.03, "q4f16": 0.35}
# With the shapes of inner values in the model, and without.
SHAPES = pytest.mark.parametrize("declared", [False, True], ids=["undeclared", "declared"])
_IR_VERSIONS = {13: 7, 14: 7, 15: 8, 16: 8, 17: 8, 18: 8, 19: 9, 20: 9, 21: 10}


def build(
    text: str, opset: int = 17, declared: bool = False, **weights: npt.ArrayLike
) -> onnx.ModelProto:
    """Return a model of a graph in ONNX's text form, with these initializers beside its own.

    `declared` states the shape of every inner value, as exporters do that infer shapes.
    """
    head = f'<ir_version: {_IR_VERSIONS[opset]}, opset_import: ["" : {opset}]>\n'
    model = onnx.parser.parse_model(head + text)
    for name, values in weights.items():
        array = np.asarray(values)
        array = array.astype(np.float32) if array.dtype == np.float64 else array
        model.graph.initializer.append(numpy_helper.from_array(array, name))
    for index, node in enumerate(model.graph.node):
        node.name = f"/{node.op_type}_{index}"
    onnx.checker.check_model(model, full_check=True)
    return onnx.shape_inference.infer_shapes(model) if declared else model


def spelt(**texts: str) -> pytest.MarkDecorator:
    """Return what runs a test for each way to spell a part of its model, by name."""
    return pytest.mark.parametrize("text", list(texts.values()), ids=list(texts))


def normal(seed: int, *shape: int, mean: float = 0, spread: float = 1) -> Array:
    """Return random numbers, the same for a seed."""
    return np.random.default_rng(seed).normal(mean, spread, shape).astype(np.float32)


def relative_error(found: Array, expected: Array) -> float:
    """Return how far two arrays are apart, as a share of the second's Euclidean norm."""
    if found.shape != expected.shape or not np.isfinite(found.astype(np.float64)).all():
        return float("inf")
    wide = expected.astype(np.float64)
    distance = float(np.linalg.norm(found.astype(np.float64) - wide))
    return distance / max(float(np.linalg.norm(wide)), 1e-30)


class Judge:
    """Converts models in a folder, and compares the results with float32's."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def _run(self, *arguments: str | Path) -> str:
        command = [str(program()), *map(str, arguments)]
        done = subprocess.run(command, capture_output=True, text=True, timeout=120, check=False)
        assert done.returncode == 0, done.stderr
        return done.stdout

    def _source(self, model: onnx.ModelProto) -> Path:
        path = self._folder / "model.onnx"
        onnx.save(model, path)
        return path

    def convert(self, model: onnx.ModelProto, dtype: str, *options: str) -> Path:
        """Return the file that the built-in policy of a dtype's name makes of a model."""
        options = options or ("--policy", dtype)
        self._run("--force", *options, self._source(model))
        return self._folder / f"model_{dtype}.onnx"

    def compute_types(self, model: onnx.ModelProto, dtype: str = "fp16") -> dict[str, str]:
        """Return the type that each node computes in, as the plan says, by its output."""
        plan = json.loads(self._run("plan", "--json", "--policy", dtype, self._source(model)))
        kinds = {row["name"]: row["compute"] for row in plan["outputs"][0]["nodes"]}
        return {node.output[0]: kinds[node.name] for node in model.graph.node if node.name in kinds}

    def hazards(self, model: onnx.ModelProto) -> set[str]:
        """Return the names of the hazards that the program finds in a model."""
        shown = json.loads(self._run("inspect", "--json", self._source(model)))
        return {row["hazard"] for row in shown["hazards"]}

    def errors(self, model: onnx.ModelProto, feeds: Feeds, dtype: str) -> dict[str, float]:
        """Return each output's error in true 16-bit arithmetic; infinite where it is not finite.

        An output of integers, too, is compared by its norm. Those of the file on ONNX Runtime's CPU
        provider stand beside them under their names with ` on CPU`, which has hardly any kernels
        for bfloat16.
        """
        names = [output.name for output in model.graph.output]
        expected = run(load(model.SerializeToString()), feeds)
        for name in names:
            assert np.isfinite(expected[name]).all(), f"{name} is not finite in float32"
        path = self.convert(model, dtype)
        onnx.checker.check_model(str(path), full_check=dtype != "q4f16")
        with np.errstate(all="ignore"):
            halves = ReferenceEvaluator(str(path), new_ops=HALF_OPS).run(names, feeds)
        found = dict(zip(names, map(np.asarray, halves), strict=True))
        if dtype != "bf16":
            on_cpu = run(load(str(path)), feeds)
            found |= {f"{name} on CPU": on_cpu[name] for name in names}
        return {
            name: relative_error(value, expected[name.removesuffix(" on CPU")])
            for name, value in found.items()
        }

    def holds(
        self,
        model: onnx.ModelProto,
        feeds: Feeds,
        dtype: str = "fp16",
        bound: float | None = None,
        finite_only: tuple[str, ...] = (),
    ) -> None:
        """Check that a conversion's outputs are near float32's, in halves and on the CPU.

        Those in `finite_only` may differ (where float32 itself gives what rounding makes of a row
        that is wholly masked), but must be finite.
        """
        limit = BOUNDS[dtype] if bound is None else bound
        for name, error in self.errors(model, feeds, dtype).items():
            if name.removesuffix(" on CPU") in finite_only:
                assert np.isfinite(error), f"{name} in {dtype} is not finite"
            else:
                assert error <= limit, f"{name} in {dtype} is {error:.2%} off, {limit:.2%} allowed"

    def stays_half(
        self, model: onnx.ModelProto, feeds: Feeds, casts: int, *, wide: tuple[str, ...] = ()
    ) -> None:
        """Check that a model without a hazard computes in float16, rightly, with so few Casts.

        `casts` are those of the converted file; `wide` are values that only pass on
        what is float32 anyway, an output.
        """
        kinds = self.compute_types(model)
        kept = {name for name, kind in kinds.items() if kind == "float32"} - set(wide)
        found = self.hazards(model) - {"mask_fill"}  # which keeps nothing in float32
        assert not found, f"the model has {found}"
        assert not kept, f"{sorted(kept)} stay float32"
        self.holds(model, feeds)
        converted = onnx.load(self._folder / "model_fp16.onnx")
        count = sum(node.op_type == "Cast" for node in converted.graph.node)
        assert count <= casts, f"{count} Casts, of which {casts} are needed"
