"""Measures 4-bit quantizers on the same weights of one model, and prints a Markdown table.

    scripts/compare_quantizers.sh [--calibration FILE] [--tokens N|FILE | --inputs DIR]
    [MODEL.onnx]

All matrices of a model that MatMul reads, but for table and head, in blocks of 32 with float32
scales; `onnxquant verify` compares each file with the model on ONNX Runtime's CPU provider. No file
asks for an accuracy level: what is measured is the codes alone.
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
from onnxquant_tools.peer_quantizers import PEERS
from onnxquant_tools.product import gemma, program

BLOCK = 32
_METHODS = ("nearest", "search", "gptq")
_POLICY = """\
policy: 1
name: body
description: The matrices of the layers in 4 bits, the rest float32.
outputs:
  q4:
    compute: float32
    weights: {{format: int4, block: {block}, symmetric: {symmetric}}}
    method: {method}
    io: float32
rules:
  - match: {{role: [embedding, lm_head]}}
    weights: float32
    optional: true
"""


@dataclass(frozen=True)
class Candidate:
    """A file and what made it."""

    maker: str
    symmetric: bool
    path: Path

    @property
    def bytes(self) -> int:
        """Return the size of the file and its data."""
        return sum(f.stat().st_size for f in self.path.parent.glob(f"{self.path.name}*"))


def _run(command: list[str]) -> str:
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode != 0:
        sys.exit(f"compare_quantizers: {' '.join(command)}: {done.stderr.strip()}")
    return done.stdout


def _policy(folder: Path, method: str, *, symmetric: bool) -> Path:
    path = folder / "policy.yaml"
    words = {"block": BLOCK, "symmetric": str(symmetric).lower(), "method": method}
    path.write_text(_POLICY.format(**words), encoding="utf-8")
    return path


def write_ours(model: Path, calibration: Path, folder: Path) -> list[Candidate]:
    """Write a file for each method and both kinds of codes."""
    candidates = []
    for symmetric in (True, False):
        for method in _METHODS:
            own = folder / f"{method}-{'sym' if symmetric else 'asym'}"
            own.mkdir(parents=True, exist_ok=True)
            policy = _policy(own, method, symmetric=symmetric)
            command = [str(program()), "--policy", str(policy), "--force", "-q"]
            command += ["-o", str(own / "model_q4.onnx"), str(model)]
            if method == "gptq":
                command += ["--calibration", str(calibration)]
            _run(command)
            candidates.append(Candidate(f"onnxquant {method}", symmetric, own / "model_q4.onnx"))
    return candidates


def quantized_nodes(model: Path, folder: Path) -> list[str]:
    """Return the names of the nodes whose weights the policy stores in 4 bits."""
    policy = _policy(folder, "nearest", symmetric=True)
    plan = json.loads(_run([str(program()), "plan", "--json", "--policy", str(policy), str(model)]))
    output = plan["outputs"][0]
    coded = {t["name"] for t in output["tensors"] if t["format"].startswith("int4")}
    graph = onnx.load(model, load_external_data=False).graph
    return [n.name for n in graph.node if n.op_type == "MatMul" and coded & set(n.input)]


def write_peers(model: Path, folder: Path, cache: Path) -> list[Candidate]:
    """Write a file with each of ONNX Runtime's quantizers."""
    only = folder / "nodes.txt"
    only.write_text("\n".join(quantized_nodes(model, folder)), encoding="utf-8")
    python = str(cache / "venv-quantizers" / "bin" / "python")
    candidates = []
    for name, peer in PEERS.items():
        own = folder / name.lower().replace(" ", "-").replace(",", "")
        own.mkdir(parents=True, exist_ok=True)
        path = own / "model_q4.onnx"
        (own / f"{path.name}_data").unlink(missing_ok=True)
        command = [python, "-m", "onnxquant_tools.peer_quantizers", name, str(model), str(path)]
        _run([*command, "--block", str(BLOCK), "--only", str(only)])
        candidates.append(Candidate(name, peer.symmetric, path))
    return candidates


def measure(model: Path, candidates: list[Candidate], text: list[str]) -> list[dict[str, Any]]:
    """Return what `onnxquant verify` says of each candidate, on the text that its options name."""
    command = [str(program()), "verify", "--json", "--provider", "cpu", *text]
    command += [str(model), *(str(candidate.path) for candidate in candidates)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode not in (0, 5):
        sys.exit(f"compare_quantizers: {done.stderr.strip()}")
    results: list[dict[str, Any]] = json.loads(done.stdout)["results"]
    return results


def _figures(result: dict[str, Any]) -> list[str]:
    language = result.get("language")
    if language:
        return [
            f"{language['kl_mean']:.4f}",
            f"{language['kl_p99']:.3f}",
            f"{100 * language['top1']:.1f} %",
        ]
    worst = min(result["outputs"], key=lambda output: float(output["cosine"]))
    return [f"{1 - worst['cosine']:.5f}", f"{worst['mean_error']:.4f}", f"{worst['max_error']:.3f}"]


def table(candidates: list[Candidate], results: list[dict[str, Any]]) -> str:
    """Return the table, symmetric codes first, the worst of each kind first."""
    language = "language" in results[0] and results[0]["language"]
    columns = ["mean KL", "p99", "top-1"] if language else ["1 - cosine", "mean error", "largest"]
    lines = [
        f"| codes | quantizer | bytes | {' | '.join(columns)} |",
        "|---|---|--:|" + "--:|" * len(columns),
    ]
    rows = [(c, _figures(r)) for c, r in zip(candidates, results, strict=True)]
    rows.sort(key=lambda row: (not row[0].symmetric, -float(row[1][0])))
    for candidate, figures in rows:
        kind = "symmetric" if candidate.symmetric else "asymmetric"
        size = f"{candidate.bytes:,}"
        lines.append(f"| {kind} | {candidate.maker} | {size} | {' | '.join(figures)} |")
    return "\n".join(lines)


def main() -> None:
    """Quantize, measure, and print the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("model", type=Path, nargs="?")
    parser.add_argument("--cache", type=Path, required=True)
    parser.add_argument("--calibration", type=Path, help="of the model; default: one is made")
    parser.add_argument(
        "--tokens",
        default="",
        help="how many of the text (default: all), or a file of token ids, which another language"
        " model than Gemma 3 needs",
    )
    parser.add_argument("--inputs", type=Path, help="arrays for a model that reads no text: DIR")
    arguments = parser.parse_args()
    os.environ["ONNXQUANT_CACHE"] = str(arguments.cache)
    model = arguments.model or gemma()
    folder = arguments.cache / "quantizers" / model.resolve().parent.parent.name
    folder.mkdir(parents=True, exist_ok=True)
    calibration = arguments.calibration
    if calibration is None:
        calibration = folder / "calibration.safetensors"
        _run([str(program()), "calibrate", "--force", "-q", "-o", str(calibration), str(model)])
    text = []
    if arguments.inputs:
        text = ["--inputs", str(arguments.inputs)]
    elif arguments.tokens and not arguments.tokens.isdecimal():
        text = ["--tokens", arguments.tokens]
    elif arguments.model is None:
        tokens = folder / "tokens.jsonl"
        tokens.write_text(json.dumps(default_tokens()[: int(arguments.tokens or 0) or None]) + "\n")
        text = ["--tokens", str(tokens)]
    candidates = [
        *write_peers(model, folder, arguments.cache),
        *write_ours(model, calibration, folder),
    ]
    print(table(candidates, measure(model, candidates, text)))


if __name__ == "__main__":
    main()
