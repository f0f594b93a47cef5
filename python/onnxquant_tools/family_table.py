"""Writes docs/families.md: what becomes of the small models of families, exporter by exporter.

    scripts/python.sh -m onnxquant_tools.family_table            # measures, writes the page
    scripts/python_webgpu.sh -m onnxquant_tools.family_table --provider webgpu

The models are those of `onnxquant_tools.family_exports`; ONNXQUANT names the program. Figures are
kept beside the models, so that one provider is measured after the other.
"""

import argparse
import json
import os
import subprocess
import tempfile
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import onnxruntime as ort

from onnxquant_tools.cache import cache_folder
from onnxquant_tools.family_feeds import make_feeds

ROOT = Path(__file__).resolve().parents[2]
PAGE = ROOT / "docs" / "families.md"
PROVIDERS = {"cpu": "CPUExecutionProvider", "webgpu": "WebGpuExecutionProvider"}
DTYPES = ("fp16", "q4f16")
NOTHING = "-"
INTRODUCTION = """# Families

What becomes of a small random model of each family, exporter by exporter: the policy that is
chosen without `--policy`, the size of its fp16 and q4f16 as a share of float32, and the largest
relative error of any output (Euclidean norm) against float32. The weights are random: four bits
cost them more than trained ones; and the graphs of such small models weigh as much as their
constants. Files that lack a figure do not run in float32 with inputs made from their signature;
where only q4f16 does not, the exporter has written down which expert each token took. On the CPU
no fp16 is further from float32 than 3e-2, and no q4f16 than 0.6, but for VITS, which draws noise
at every run. Made by
`scripts/python.sh -m onnxquant_tools.family_table` from what `onnxquant_tools.family_exports`
exports."""


@dataclass
class Row:
    """One exported file: what was chosen for it, and how its outputs' sizes and answers compare."""

    family: str
    exporter: str
    file: str
    policy: str
    roles: list[str]
    size: dict[str, float] = field(default_factory=dict)  # by dtype, as a share of float32
    error: dict[str, dict[str, float | str]] = field(default_factory=dict)  # by provider, dtype


def program() -> str:
    """Return the program's path: $ONNXQUANT, or where scripts/build.sh puts it."""
    return os.environ.get("ONNXQUANT", str(ROOT / "build" / "release" / "bin" / "onnxquant"))


def models(root: Path) -> list[Path]:
    """Return every exported file, in a fixed order."""
    paths = root.glob("*/*/**/*.onnx")
    return sorted(path for path in paths if not path.relative_to(root).parts[1].startswith("."))


def _run(*arguments: str) -> Any:
    done = subprocess.run([program(), *arguments], capture_output=True, text=True, check=False)
    if done.returncode != 0:
        raise RuntimeError(done.stderr.strip().splitlines()[0] if done.stderr else "no output")
    return json.loads(done.stdout)


def describe(path: Path, root: Path) -> Row:
    """Ask the program what the file is."""
    family, exporter = path.relative_to(root).parts[:2]
    inspected = _run("inspect", "--json", str(path))
    plan = _run("plan", "--json", str(path))
    roles = [row["role"] for row in inspected["roles"]]
    return Row(family, exporter, path.name, plan["outputs"][0]["policy"], roles)


def _open(path: Path, provider: str) -> Any:
    options = ort.SessionOptions()
    options.log_severity_level = 4
    options.intra_op_num_threads = 1
    return ort.InferenceSession(str(path), options, providers=[PROVIDERS[provider]])


def _error(wanted: list[Any], found: list[Any]) -> float:
    worst = 0.0
    for right, other in zip(wanted, found, strict=True):
        if right.dtype.kind != "f" or right.size == 0:
            continue
        if not np.isfinite(other).all():
            return float("inf")
        reference = right.astype(np.float64)
        apart = float(np.linalg.norm(other.astype(np.float64) - reference))
        worst = max(worst, apart / (float(np.linalg.norm(reference)) or 1.0))
    return worst


def measure(row: Row, path: Path, provider: str) -> None:
    """Convert the file and run it beside the original."""
    errors: dict[str, float | str] = {}
    row.error[provider] = errors
    try:
        before = _open(path, "cpu")
        wanted = before.run(None, make_feeds(before))
    except Exception:
        wanted = None  # not with inputs that follow from the signature
    with tempfile.TemporaryDirectory() as folder:
        for dtype in DTYPES:
            made = Path(folder) / f"{dtype}.onnx"
            command = [program(), "--dtype", dtype, "-o", str(made), str(path)]
            done = subprocess.run(command, capture_output=True, text=True, check=False)
            if done.returncode != 0:
                errors[dtype] = "refused"
                continue
            size = sum(file.stat().st_size for file in Path(folder).glob(f"{dtype}.onnx*"))
            data = sum(file.stat().st_size for file in path.parent.glob(f"{path.name}*"))
            row.size[dtype] = size / data
            if wanted is None:
                continue
            try:
                after = _open(made, provider)
                errors[dtype] = _error(wanted, after.run(None, make_feeds(after)))
            except Exception as error:
                errors[dtype] = f"does not run: {str(error).splitlines()[0][:80]}"


def _figure(value: float | str | None) -> str:
    if value is None:
        return NOTHING
    return f"{value:.1e}" if isinstance(value, float) else value.split(":")[0]


def page(rows: list[Row]) -> str:
    """Return the page's text."""
    lines = [*INTRODUCTION.splitlines(), ""]
    columns = ["family", "exporter", "file", "policy", "fp16", "q4f16", "error of fp16", "of q4f16"]
    columns += ["fp16 on WebGPU", "q4f16"]
    lines += ["| " + " | ".join(columns) + " |", "|---|---|---|---|--:|--:|--:|--:|--:|--:|"]
    for row in rows:
        sizes = [f"{100 * row.size[d]:.0f} %" if d in row.size else NOTHING for d in DTYPES]
        errors = [_figure(row.error.get(p, {}).get(d)) for p in PROVIDERS for d in DTYPES]
        cells = [row.family, row.exporter, row.file, row.policy, *sizes, *errors]
        lines.append("| " + " | ".join(cells) + " |")
    return "\n".join([*lines, ""])


def main() -> None:
    """Measure what is asked for and write the page."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folder", nargs="?", type=Path, default=cache_folder() / "families")
    parser.add_argument("--provider", choices=list(PROVIDERS), default="cpu")
    parser.add_argument("--families", default="")
    arguments = parser.parse_args()
    kept = arguments.folder / "figures.json"
    known = json.loads(kept.read_text()) if kept.exists() else {}
    asked = set(filter(None, arguments.families.split(",")))
    for path in models(arguments.folder):
        name = str(path.relative_to(arguments.folder))
        if asked and name.split("/")[0] not in asked:
            continue
        try:
            row = describe(path, arguments.folder)
        except RuntimeError as error:
            print(f"{name}: {error}", flush=True)
            continue
        row.error.update(known.get(name, {}).get("error", {}))
        measure(row, path, arguments.provider)
        known[name] = asdict(row)
        print(name, row.policy, row.size, row.error[arguments.provider], flush=True)
        kept.write_text(json.dumps(known, indent=1), encoding="utf-8")
    PAGE.write_text(page([Row(**known[name]) for name in sorted(known)]), encoding="utf-8")


if __name__ == "__main__":
    main()
