"""Runs single kernels (tests/kernels/kernel_runner.cc), and draws the weights to run them on."""

import os
import subprocess
from pathlib import Path
from typing import Any, TypeVar

import numpy as np
import numpy.typing as npt
from hypothesis import HealthCheck, Phase, settings
from hypothesis import strategies as st
from onnxquant_tools.product import program

Floats = npt.NDArray[np.float32]
Bytes = npt.NDArray[np.uint8]
T = TypeVar("T", bound=np.generic)

# The same examples in every CI run: a change there is a change of ours.
KERNEL_SETTINGS = settings(
    max_examples=150,
    deadline=None,
    derandomize=os.environ.get("CI") == "true",
    print_blob=True,
    phases=(Phase.explicit, Phase.reuse, Phase.generate, Phase.shrink),
    suppress_health_check=[HealthCheck.too_slow],
)

# What a block of a weight is filled with: each is an edge of a quantizer's formulas.
FILLS = (
    "normal", "positive", "negative", "zero", "negative zero", "zeros of both signs", "tie",
    "halves", "odd halves", "constant", "tiny", "subnormal", "least", "huge", "outlier",
)  # fmt: skip
NOT_FINITE = ("NaN", "infinity", "infinities and NaN")


def _runner() -> Path:
    path = program().parent.parent / "tests" / "kernels" / "kernel_runner"
    if not path.is_file():
        raise FileNotFoundError(f"{path}: run scripts/build.sh release")
    return path


def run_kernel(name: str, source: npt.NDArray[Any], **numbers: int) -> "Results":
    """Run a kernel on an array's bytes, and return its outputs."""
    command = [str(_runner()), name, *(f"{key}={int(value)}" for key, value in numbers.items())]
    raw = np.ascontiguousarray(source).tobytes()
    done = subprocess.run(command, input=raw, capture_output=True, check=False)
    assert done.returncode == 0, f"{command}: exit {done.returncode}: {done.stderr.decode()}"
    return Results(done.stdout)


class Results:
    """The outputs of a kernel, to be taken one after the other."""

    def __init__(self, raw: bytes) -> None:
        self._raw = raw

    def take(self, dtype: type[T], *shape: int) -> npt.NDArray[T]:
        """Return the next array."""
        size = int(np.prod(shape)) * np.dtype(dtype).itemsize
        part, self._raw = self._raw[:size], self._raw[size:]
        return np.frombuffer(part, dtype).reshape(shape)

    def end(self) -> None:
        """Assert that all has been taken."""
        assert not self._raw, f"{len(self._raw)} bytes are left"


def fill(kind: str, count: int, random: np.random.Generator) -> npt.NDArray[np.float64]:
    """Return `count` values of a kind of FILLS or NOT_FINITE."""
    values = random.normal(0, 0.05, count)
    extreme = -8.0
    steps = random.integers(-16, 15, count) / 2
    steps[0] = extreme
    match kind:
        case "positive":
            return np.abs(values)
        case "negative":
            return -np.abs(values)
        case "zero":
            return np.zeros(count)
        case "negative zero":
            return np.full(count, -0.0)
        case "zeros of both signs":
            return np.where(random.random(count) < 0.5, 0.0, -0.0)
        case "tie":
            return np.where(random.random(count) < 0.5, 1.5, -1.5) * (random.random(count) < 0.9)
        case "halves":
            return steps
        case "odd halves":
            return steps * random.uniform(0.01, 0.1)
        case "constant":
            return np.full(count, values[0])
        case "tiny":  # The scale rounds to zero, or to a subnormal, in float16.
            return values * 1e-6
        case "subnormal":
            return values * 6e-8
        case "least":  # Subnormal in float32: the scale has no finite reciprocal.
            return values * 1e-38
        case "huge":  # The range is more than float32 can hold.
            return values * 6e39
        case "outlier":
            return np.concatenate([values[:1] * 1000, values[1:]])
        case "NaN":
            return np.where(random.random(count) < 0.5, np.nan, values)
        case "infinity":
            return np.where(random.random(count) < 0.3, np.inf, values)
        case "infinities and NaN":
            return np.where(
                random.random(count) < 0.5, random.choice([np.inf, -np.inf, np.nan], count), values
            )
        case _:
            return values


@st.composite
def matrices(draw: st.DrawFn, rows: int, columns: int, kinds: tuple[str, ...] = FILLS) -> Floats:
    """Draw [rows, columns], every piece of 16 of a column filled with one kind of a few."""
    random = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    some = draw(st.lists(st.sampled_from(kinds), min_size=1, max_size=4))
    piece = draw(st.sampled_from([16, 128]))
    matrix = np.zeros((rows, columns))
    for column in range(columns):
        for first in range(0, rows, piece):
            count = min(piece, rows - first)
            kind = some[int(random.integers(len(some)))]
            matrix[first : first + count, column] = fill(kind, count, random)
    with np.errstate(over="ignore", under="ignore"):
        finite = np.clip(matrix, -3.4e38, 3.4e38)
        return np.where(np.isinf(matrix), matrix, finite).astype(np.float32)
