"""Measures every converter's files of one model on every provider, and prints a Markdown table.

    scripts/matrix.sh [--tokens N]

Each file, the float32 model first, is compared with the float32 model on the CPU by `onnxquant
verify`: a tick where the mean KL divergence to it is below the bound of its kind (0.01 nats, 1 for
weights in 8 and 4 bits), a cross where it is not, or where logits are NaN or Inf, or the model does
not run.
How long a token takes on the CPU is given as a multiple of float32's time.
"""

import argparse
import json
import os
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import onnx

from onnxquant_tools.compare_logits import default_tokens
from onnxquant_tools.peer_converters import PEERS
from onnxquant_tools.product import program

POLICIES = {
    "build-gemma": ("fp16", "q4", "q4f16"),
    "gemma-safe": ("fp16", "q4", "q4f16"),
    "gemma-web": ("fp16", "q4", "q4f16", "q8"),
    "gemma-small": ("q4f16",),
    "gemma-rescale": ("fp16", "q4f16"),
    "quantize-dynamic": ("q8",),
}
_ENDS = {"q8": "quantized"}  # of file names, where they are not the dtype
PROVIDERS = {"cpu": "CPU", "webgpu": "WebGPU", "simulated": "simulated float16"}
_BOUNDS = {"fp32": 1e-2, "fp16": 1e-2, "q4": 1.0, "q4f16": 1.0, "q8": 1.0}


@dataclass(frozen=True)
class Candidate:
    """A converted file: who made it, its dtype, and where it is."""

    maker: str
    dtype: str
    path: Path

    @property
    def megabytes(self) -> float:
        """Return the size of the file and its data, in 10^6 bytes."""
        files = self.path.parent.glob(f"{self.path.name}*")
        return sum(file.stat().st_size for file in files) / 1e6

    @property
    def nodes(self) -> int:
        """Return how many nodes the graph has."""
        return len(onnx.load(self.path, load_external_data=False).graph.node)


def _run(command: list[str]) -> None:
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode != 0:
        sys.exit(f"matrix: {' '.join(command)}: {done.stderr.strip()}")


def convert_all(reference: Path, cache: Path) -> list[Candidate]:
    """Write every candidate into the cache folder, each policy anew, the others' once."""
    candidates = []
    for policy, dtypes in POLICIES.items():
        folder = cache / "matrix" / policy
        options = ["--policy", policy, "--dtype", ",".join(dtypes), "--force", "--quiet"]
        _run([str(program()), *options, "-o", str(folder), str(reference)])
        for dtype in dtypes:
            name = f"model_{_ENDS.get(dtype, dtype)}.onnx"
            candidates.append(Candidate(policy, dtype, folder / name))
    python = cache / "venv-converters" / "bin" / "python"
    for name in PEERS:
        path = cache / "matrix" / name.lower().replace(" ", "-") / "model_fp16.onnx"
        if not path.is_file():
            path.parent.mkdir(parents=True, exist_ok=True)
            module = "onnxquant_tools.peer_converters"
            _run([str(python), "-m", module, name, str(reference), str(path)])
        candidates.append(Candidate(name, "fp16", path))
    return [Candidate("float32", "fp32", reference), *candidates]


def measure(
    reference: Path, candidates: list[Candidate], provider: str, tokens: Path
) -> dict[Path, dict[str, Any]]:
    """Return what `onnxquant verify` says of each candidate on a provider."""
    command = [str(program()), "verify", "--json", "--provider", provider, "--tokens", str(tokens)]
    models = [str(reference), *(str(candidate.path) for candidate in candidates)]
    done = subprocess.run([*command, *models], capture_output=True, text=True, check=False)
    if done.returncode not in (0, 5):
        sys.exit(f"matrix: {done.stderr.strip()}")
    return {Path(result["model"]): result for result in json.loads(done.stdout)["results"]}


def _relative_time(result: dict[str, Any], reference: dict[str, Any]) -> str:
    """Return how long a token takes, as a multiple of what it takes the reference."""
    seconds = result.get("greedy", {}).get("seconds_per_token")
    of_reference = reference.get("greedy", {}).get("seconds_per_token")
    return f", {seconds / of_reference:.2f}x" if seconds and of_reference else ""


def cell(dtype: str, result: dict[str, Any], reference: dict[str, Any] | None) -> str:
    """Return a tick or a cross, the figure or the fault behind it, and the time if it counts."""
    if "error" in result:
        return "✗ does not run"
    figures = result["language"]
    if figures["bad_positions"]:
        return "✗ NaN or Inf"
    kl = figures["kl_mean"]
    time = _relative_time(result, reference) if reference else ""
    return f"{'✓' if kl < _BOUNDS[dtype] else '✗'} {kl:.2g}{time}"


def table(candidates: list[Candidate], found: dict[str, dict[Path, dict[str, Any]]]) -> str:
    """Return the matrix as a Markdown table."""
    lines = [
        f"| converter | dtype | MB | nodes | {' | '.join(PROVIDERS[name] for name in found)} |",
        "|---|---|--:|--:|" + "---|" * len(found),
    ]
    for candidate in candidates:
        cells = [
            cell(
                candidate.dtype,
                results[candidate.path],
                # Elsewhere a processor stands for the hardware: its time says nothing.
                results[candidates[0].path] if provider == "cpu" else None,
            )
            for provider, results in found.items()
        ]
        size = f"{candidate.megabytes:.0f} | {candidate.nodes}"
        lines.append(f"| {candidate.maker} | {candidate.dtype} | {size} | {' | '.join(cells)} |")
    return "\n".join(lines)


def main() -> None:
    """Convert, measure, and print the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("reference", type=Path)
    parser.add_argument("--cache", type=Path, required=True)
    parser.add_argument("--tokens", type=int, default=128, help="tokens of text to compare on")
    arguments = parser.parse_args()
    os.environ["ONNXQUANT_CACHE"] = str(arguments.cache)
    candidates = convert_all(arguments.reference, arguments.cache)
    tokens = arguments.cache / "matrix" / "tokens.jsonl"
    ids = default_tokens()
    tokens.write_text(json.dumps(ids[: arguments.tokens]) + "\n")
    found = {}
    for provider in PROVIDERS:
        print(f"matrix: measuring on {PROVIDERS[provider]}", file=sys.stderr, flush=True)
        found[provider] = measure(arguments.reference, candidates, provider, tokens)
    print(table(candidates, found))


if __name__ == "__main__":
    main()
