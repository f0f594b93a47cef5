"""What the tests of random graphs have in common."""

from __future__ import annotations

import random


class Seeded:
    """Choices that a seed makes."""

    def __init__(self, seed: int) -> None:
        self._random = random.Random(seed)

    def integer(self, low: int, high: int) -> int:
        """Return a number, both ends included."""
        return self._random.randint(low, high)
