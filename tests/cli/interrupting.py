"""Lets the program meet a disk that fails, or its own end, at a chosen system call."""

import json
import os
import shutil
import signal
import subprocess
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import onnx
from program import BINARY, FP16, listing, policy, run, save, small_model

FAULTS = BINARY.parent.parent / "tests" / "support" / "faults.so"
OWN = ".onnxquant-"


@dataclass(frozen=True)
class Case:
    """A folder with an old set, what a whole new one looks like, and the command that makes it."""

    template: Path
    arguments: tuple[str, ...]
    old: dict[str, bytes]
    new: dict[str, bytes]

    def copy(self, place: Path) -> Path:
        """Put the old set into `place`, afresh."""
        shutil.rmtree(place, ignore_errors=True)
        shutil.copytree(self.template, place, symlinks=True)
        return place

    def run(
        self, place: Path, fault: str = "EIO:0", without: str = "", log: str = ""
    ) -> subprocess.CompletedProcess[str]:
        """Convert, with a fault like "EIO:7", on a file system without some abilities."""
        return run(*self.arguments, cwd=place, env=environment(fault, without, log))

    def state(self, place: Path) -> str:
        """Return "old" or "new", or what else the files are."""
        found = normal(place)
        if found in (self.old, self.new):
            return "old" if found == self.old else "new"
        names = sorted({*self.old, *self.new, *found})
        return ", ".join(f"{name}: {self._of(name, found)}" for name in names)

    def _of(self, name: str, found: dict[str, bytes]) -> str:
        if found.get(name) == self.old.get(name):
            return "same" if self.old.get(name) == self.new.get(name) else "old"
        return "new" if found.get(name) == self.new.get(name) else "neither"


def environment(fault: str = "EIO:0", without: str = "", log: str = "") -> dict[str, str]:
    """Return what makes the program meet that."""
    faults = {"LD_PRELOAD": str(FAULTS), "ONNXQUANT_FAULT": fault, "ONNXQUANT_WITHOUT": without}
    return {**os.environ, **faults, **({"ONNXQUANT_FAULT_LOG": log} if log else {})}


def normal(folder: Path) -> dict[str, bytes]:
    """Return the files that users see; a report without the time that it took."""
    files = {
        name: content for name, content in listing(folder).items() if OWN not in Path(name).name
    }
    report = files.get("reports/r.json", b"")
    if report.startswith(b'{"') or report.startswith(b"{\n"):
        data = json.loads(report)
        data.pop("seconds", None)
        files["reports/r.json"] = json.dumps(data).encode()
    return files


def own(folder: Path) -> list[str]:
    """Return what a run left of its own."""
    return sorted(str(path.relative_to(folder)) for path in folder.rglob(f"{OWN}*"))


def make_case(folder: Path) -> Case:
    """Return a case of three folders: model and data, config.json above, a report elsewhere.

    The old set has more data files than the new one, and a config.json of an unusual mode.
    """
    template = folder / "template"
    (template / "onnx").mkdir(parents=True)
    (template / "reports").mkdir()
    (template / "config.json").write_text('{"model_type": "small"}\n')
    (template / "config.json").chmod(0o640)
    save(small_model(seed=1), template / "onnx", external=True)
    policy(template, FP16)
    common = ("--policy", "p.yaml", "-j", "1", "--report", "reports/r.json", "onnx/model.onnx")
    done = run(*common, "--max-shard", "20k", cwd=template)
    assert done.returncode == 0, done.stderr
    assert (template / "onnx" / "model_fp16.onnx_data_1").exists()
    save(small_model(seed=2), template / "onnx", external=True)
    case = Case(template, ("--force", *common), normal(template), {})
    new = case.copy(folder / "new")
    done = case.run(new)
    assert done.returncode == 0, done.stderr
    assert own(new) == []
    onnx.checker.check_model(new / "onnx" / "model_fp16.onnx")
    whole = Case(template, case.arguments, case.old, normal(new))
    assert not set(whole.old) <= set(whole.new)
    return whole


def calls(case: Case, place: Path, without: str = "") -> list[str]:
    """Return the names of the system calls that faults can be put into, in their order."""
    log = place.with_name("calls.log")
    log.unlink(missing_ok=True)
    case.copy(place)
    done = case.run(place, without=without, log=str(log))
    assert (done.returncode, case.state(place), own(place)) == (0, "new", []), done.stderr
    return log.read_text().split()


def killed_after(case: Case, place: Path, seconds: float) -> bool:
    """Convert, and kill the program after that time; return whether it came to that."""
    process = subprocess.Popen(
        [str(BINARY), *case.arguments],
        cwd=place,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    try:
        process.wait(timeout=seconds)
    except subprocess.TimeoutExpired:
        process.send_signal(signal.SIGKILL)
    return process.wait() == -signal.SIGKILL


def sweep(names: Sequence[str], kind: str) -> Iterator[str]:
    """Return a fault for each call; half a write only where there is one."""
    for number, name in enumerate(names, 1):
        if kind != "SHORT" or name.startswith("pwrite"):
            yield f"{kind}:{number}"
