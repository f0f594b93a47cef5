"""What the tests on packaged models share: fixture types."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from agreement import Array

Provider = Literal["cpu", "webgpu"]


@dataclass(frozen=True)
class Conversion:
    """One run of the program: the float32 model, the converted one, how the program ended."""

    source: Path
    output: Path
    status: int
    errors: str

    def size(self) -> int:
        """Return the bytes of the converted model with its external data."""
        return sum(path.stat().st_size for path in self.output.parent.glob(f"{self.output.name}*"))


# From a packaged model's name to its conversion with the policy fp16.
Convert = Callable[[str], Conversion]
# From a packaged model's name, a provider and one of its files to the file's outputs.
RunFile = Callable[[str, Provider, Path], list[Array]]
