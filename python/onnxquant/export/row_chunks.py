"""How many of a weight's rows are in memory at once, and what they are held in."""

import math

import numpy as np
import numpy.typing as npt

FloatArray = npt.NDArray[np.float32]

# Float32 bytes given out at once: bounds the memory that one weight takes.
CHUNK_BYTES = 64 << 20


def rows_per_chunk(shape: tuple[int, ...]) -> int:
    """Return how many rows of a tensor make up at most CHUNK_BYTES of float32, one at least."""
    return max(1, CHUNK_BYTES // max(1, 4 * math.prod(shape[1:])))
