"""What the native part offers; a test holds it to this."""

from collections.abc import Callable, Sequence
from typing import Any

__version__: str

_Progress = Callable[[int, int], object] | None

class Model:
    def __init__(self, path: str, structure: Any = None, tensors: Sequence[Any] = ...) -> None: ...

class PlanOptions:
    policy: str
    policy_yaml: str
    rules: list[str]
    dtypes: list[str]
    targets: list[str]
    io: str
    ranges: str
    calibration: str
    output: str
    max_shard: int
    max_growth: float
    update_config: bool
    def __init__(self) -> None: ...

class NativePlan:
    def __init__(self, model: Model, options: PlanOptions) -> None: ...
    def report(self) -> str: ...
    def save_manifest(self, path: str, force: bool) -> None: ...
    def apply(self, force: bool, threads: int, memory: int, progress: _Progress) -> str: ...

class RangesOptions:
    model: str
    tokens: str
    count: int
    chunk: int
    memory: int
    seed: int
    dims: dict[str, int]
    inputs: list[str]
    def __init__(self) -> None: ...

class VerifyOptions:
    reference: str
    candidates: list[str]
    providers: list[str]
    tokens: str
    count: int
    chunk: int
    memory: int
    seed: int
    dims: dict[str, int]
    inputs: list[str]
    greedy: int
    layers: bool
    def __init__(self) -> None: ...
    def set_thresholds(
        self, max_kl: float | None, min_top1: float | None, max_error: float | None
    ) -> None: ...

class CalibrationOptions:
    model: str
    tokens: str
    count: int
    sequences: int
    length: int
    batch: int
    gradients: int
    memory: int
    seed: int
    dims: dict[str, int]
    inputs: list[str]
    def __init__(self) -> None: ...

class TuneOptions:
    model: str
    plan: PlanOptions
    formats: list[str]
    size: int | None
    max_kl: float | None
    tokens: str
    count: int
    cache: str
    part: tuple[int, int] | None
    fast: bool
    measure: bool
    threads: int
    memory: int
    seed: int
    dims: dict[str, int]
    inputs: list[str]
    def __init__(self) -> None: ...

def sessions_of(
    folder: str, options: PlanOptions, choices: Sequence[str]
) -> tuple[list[tuple[str, str, PlanOptions]], str]: ...
def find_sessions(folder: str) -> list[tuple[str, str]]: ...
def find_models(folder: str) -> list[str]: ...
def inspect(model: Model, checkpoint: str) -> str: ...
def check(model: Model, target: str, ranges: str) -> str: ...
def diff(first: Model, second: Model) -> str: ...
def apply_part(
    manifest: str,
    number: int,
    of: int,
    force: bool,
    threads: int,
    memory: int,
    verify: bool,
    progress: _Progress,
) -> dict[str, Any]: ...
def apply_manifest(
    manifest: str,
    finish_only: bool,
    force: bool,
    threads: int,
    memory: int,
    verify: bool,
    progress: _Progress,
) -> str: ...
def recover(directory: str) -> dict[str, list[str]]: ...
def policies() -> list[tuple[str, str]]: ...
def load_policy(name: str) -> None: ...
def check_policy(yaml: str, origin: str) -> None: ...
def check_rule(rule: str, origin: str) -> None: ...
def to_html(plan: str, ranges: str, verification: str, check: str) -> str: ...
def measure_ranges(options: RangesOptions, load: Any, progress: _Progress) -> str: ...
def verify(options: VerifyOptions, load: Any, progress: _Progress) -> str: ...
def calibrate(
    options: CalibrationOptions, output: str, force: bool, load: Any, progress: _Progress
) -> str: ...
def fingerprint(model: str) -> str: ...
def merge_calibrations(files: Sequence[str], output: str, force: bool) -> str: ...
def tune(
    options: TuneOptions, output: str, force: bool, confirm: bool, load: Any, progress: _Progress
) -> tuple[str, str]: ...
def main(arguments: Sequence[str], load: Any) -> int: ...
