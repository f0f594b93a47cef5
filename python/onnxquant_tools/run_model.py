"""Continue a prompt greedily with an ONNX language model on ONNX Runtime.

    python -m onnxquant_tools.run_model MODEL.onnx --provider cpu|webgpu --tokens 2,818,5279
    python -m onnxquant_tools.run_model MODEL.onnx --prompt "The capital of France is"

On WebGPU run it through scripts/python_webgpu.sh. Exit status: 0 done, 1 usage, 5 the logits hold
NaN or Inf.
"""

import argparse
import json
import os
import sys
import time
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np
from onnxquant.export import CheckpointError
from onnxquant.export.gguf_checkpoint import GgufCheckpoint

from onnxquant_tools.cache import cache_folder
from onnxquant_tools.gguf_package import DEFAULT_PACKAGE, locate_checkpoint
from onnxquant_tools.session import CausalModel, Provider
from onnxquant_tools.tokenizer import Tokenizer


@dataclass
class Run:
    """What a greedy run gave: the new tokens, and how many logits were not finite."""

    model: str
    provider: str
    prompt: list[int]
    tokens: list[int]
    text: str
    nan: int
    inf: int
    load_seconds: float
    run_seconds: float


def load_tokenizer(source: str = DEFAULT_PACKAGE) -> Tokenizer:
    """Return the tokenizer of a GGUF file or of an installed package of weights.

    Parsing 262144 entries out of a GGUF takes many seconds, so they are kept in a JSON file in the
    cache folder, named after the file they come from and its size.
    """
    path = locate_checkpoint(source)
    kept = cache_folder() / "models" / f"{path.stem}.{path.stat().st_size}.vocabulary.json"
    if not kept.is_file():
        checkpoint = GgufCheckpoint(path)
        kept.parent.mkdir(parents=True, exist_ok=True)
        draft = kept.with_name(f"{kept.name}.{os.getpid()}")
        draft.write_text(json.dumps([*checkpoint.vocabulary(), checkpoint.config.bos]))
        draft.rename(kept)
    tokens, scores, types, bos = json.loads(kept.read_text())
    return Tokenizer(tokens, scores, types, bos=bos)


def greedy(path: Path, provider: Provider, prompt: list[int], count: int) -> Run:
    """Generate `count` tokens, each the likeliest: the first of equals; a NaN wins."""
    start = time.monotonic()
    model = CausalModel(path, provider)
    loaded = time.monotonic()
    run = Run(str(path), provider, prompt, [], "", 0, 0, loaded - start, 0.0)
    feed = prompt
    for _ in range(count):
        logits = model.step(feed)
        run.nan += int(np.isnan(logits).sum())
        run.inf += int(np.isinf(logits).sum())
        feed = [int(np.argmax(logits[-1]))]
        run.tokens += feed
    run.run_seconds = time.monotonic() - loaded
    return run


def main(arguments: list[str] | None = None) -> int:
    """Run the command line."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("model", type=Path)
    parser.add_argument("--provider", choices=("cpu", "webgpu"), default="cpu")
    prompt = parser.add_mutually_exclusive_group(required=True)
    prompt.add_argument("--prompt", help="text to continue")
    prompt.add_argument("--tokens", help="tokens to continue, separated by commas")
    parser.add_argument("--count", type=int, default=4, help="tokens to generate (default 4)")
    parser.add_argument(
        "--gguf", default=DEFAULT_PACKAGE, help="file or package that carries the vocabulary"
    )
    parser.add_argument("--json", action="store_true", help="print one JSON object")
    options = parser.parse_args(arguments)
    if not options.model.is_file():
        print(f"{options.model}: no such file", file=sys.stderr)
        return 1
    try:
        tokenizer = load_tokenizer(options.gguf)
    except CheckpointError as error:
        print(f"run_model: {error}", file=sys.stderr)
        return 1
    tokens = (
        [int(token) for token in options.tokens.split(",")]
        if options.tokens
        else tokenizer.encode(options.prompt)
    )
    run = greedy(options.model, options.provider, tokens, options.count)
    run.text = tokenizer.decode(run.tokens)
    if options.json:
        print(json.dumps(asdict(run)))
    else:
        faults = f", {run.nan} NaN and {run.inf} Inf logits" if run.nan or run.inf else ""
        print(
            f"{options.model.name} on {options.provider}: {tokenizer.decode(tokens)!r} -> "
            f"{run.text!r} {run.tokens} (load {run.load_seconds:.1f} s, "
            f"run {run.run_seconds:.1f} s{faults})"
        )
    return 5 if run.nan or run.inf else 0


if __name__ == "__main__":
    sys.exit(main())
