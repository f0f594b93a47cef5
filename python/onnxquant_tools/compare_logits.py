"""Compare models' logits with a reference's over real text: KL divergence, top-1, perplexity.

    python -m onnxquant_tools.compare_logits REF.onnx CANDIDATE.onnx... [--provider cpu|webgpu]

All models read the same text in chunks, through their key-value caches, in step with each other;
the reference always runs on the CPU. Exit status: 0 done, 1 usage, 5 a candidate's logits hold NaN
or Inf.
"""

import argparse
import json
import sys
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
from onnxquant.export import CheckpointError

from onnxquant_tools.gguf_package import DEFAULT_PACKAGE
from onnxquant_tools.run_model import load_tokenizer
from onnxquant_tools.session import CausalModel, Provider

# Rows turned into float64 at once: 16 x 262144 x 8 bytes are 34 MB.
_ROWS = 16

FloatRows = npt.NDArray[np.floating[Any]]


@dataclass
class Comparison:
    """Collected per position; `kl` is of the candidate to the reference, in nats."""

    model: str
    kl: list[float] = field(default_factory=list)
    same_top: int = 0
    reference_loss: list[float] = field(default_factory=list)
    loss: list[float] = field(default_factory=list)
    nan: int = 0
    inf: int = 0

    def summary(self) -> dict[str, Any]:
        """Return the figures of the table, as plain numbers."""
        kl = np.asarray(self.kl)
        return {
            "model": self.model,
            "positions": len(self.kl),
            "kl_mean": float(kl.mean()),
            "kl_median": float(np.median(kl)),
            "kl_p99": float(np.quantile(kl, 0.99)),
            "kl_max": float(kl.max()),
            "top1": self.same_top / len(self.kl),
            "reference_ppl": float(np.exp(np.mean(self.reference_loss))),
            "ppl": float(np.exp(np.mean(self.loss))),
            "nan": self.nan,
            "inf": self.inf,
        }

    def add(self, reference: FloatRows, candidate: FloatRows, targets: Sequence[int]) -> None:
        """Take logits [positions, vocabulary] of both; targets are the tokens that followed.

        There may be one target fewer than positions: nothing follows the last.
        """
        if reference.shape != candidate.shape:
            raise ValueError(
                f"{self.model}: logits {candidate.shape}, the reference has {reference.shape}; "
                "export both with the same --logits"
            )
        self.nan += int(np.isnan(candidate).sum())
        self.inf += int(np.isinf(candidate).sum())
        for first in range(0, len(reference), _ROWS):
            part = slice(first, first + _ROWS)
            self._add_rows(
                log_softmax(reference[part]), log_softmax(candidate[part]), targets[part]
            )

    def _add_rows(
        self,
        reference: npt.NDArray[np.float64],
        candidate: npt.NDArray[np.float64],
        targets: Sequence[int],
    ) -> None:
        self.kl += (np.exp(reference) * (reference - candidate)).sum(axis=-1).tolist()
        self.same_top += int((reference.argmax(-1) == candidate.argmax(-1)).sum())
        rows = np.arange(len(targets))
        self.reference_loss += (-reference[rows, list(targets)]).tolist()
        self.loss += (-candidate[rows, list(targets)]).tolist()


def log_softmax(logits: FloatRows) -> npt.NDArray[np.float64]:
    """Return log-probabilities along the last axis, in float64."""
    wide = logits.astype(np.float64)
    wide -= wide.max(axis=-1, keepdims=True)
    wide -= np.log(np.exp(wide).sum(axis=-1, keepdims=True))
    return wide


def compare(
    reference: Path,
    candidates: Sequence[Path],
    tokens: Sequence[int],
    *,
    provider: Provider = "cpu",
    chunk: int = 128,
) -> list[Comparison]:
    """Run all models over the tokens, `chunk` at a time, and return a comparison per candidate."""
    base = CausalModel(reference, "cpu")
    models = [CausalModel(path, provider) for path in candidates]
    results = [Comparison(str(path)) for path in candidates]
    for first in range(0, len(tokens), chunk):
        part = tokens[first : first + chunk]
        targets = tokens[first + 1 : first + 1 + len(part)]
        expected = base.step(part)
        for model, result in zip(models, results, strict=True):
            result.add(expected, model.step(part), targets)
    return results


def default_text() -> Path:
    """Return the English text that the tests use (about 1200 tokens for Gemma)."""
    return Path(__file__).resolve().parents[2] / "tests" / "real" / "data" / "english.txt"


def default_tokens() -> list[int]:
    """Return the ids of that text."""
    return load_tokenizer().encode(default_text().read_text(encoding="utf-8"))


def main(arguments: list[str] | None = None) -> int:
    """Run the command line."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("reference", type=Path)
    parser.add_argument("candidates", type=Path, nargs="+")
    parser.add_argument("--provider", choices=("cpu", "webgpu"), default="cpu")
    parser.add_argument("--text", type=Path, default=default_text(), help="UTF-8 text to read")
    parser.add_argument("--count", type=int, default=0, help="tokens to read (default all)")
    parser.add_argument("--chunk", type=int, default=128, help="tokens a step (default 128)")
    parser.add_argument("--gguf", default=DEFAULT_PACKAGE, help="carries the vocabulary")
    parser.add_argument("--json", action="store_true", help="print a JSON list")
    options = parser.parse_args(arguments)
    for path in [options.reference, *options.candidates, options.text]:
        if not path.is_file():
            print(f"{path}: no such file", file=sys.stderr)
            return 1
    try:
        tokens = load_tokenizer(options.gguf).encode(options.text.read_text(encoding="utf-8"))
    except CheckpointError as error:
        print(f"compare_logits: {error}", file=sys.stderr)
        return 1
    if options.count:
        tokens = tokens[: options.count]
    results = compare(
        options.reference,
        options.candidates,
        tokens,
        provider=options.provider,
        chunk=options.chunk,
    )
    summaries = [result.summary() for result in results]
    if options.json:
        print(json.dumps(summaries))
    else:
        for s in summaries:
            print(
                f"{s['model']} on {options.provider}, {s['positions']} positions: KL mean "
                f"{s['kl_mean']:.3g}, median {s['kl_median']:.3g}, p99 {s['kl_p99']:.3g}, max "
                f"{s['kl_max']:.3g}; top-1 {100 * s['top1']:.1f} %; PPL {s['ppl']:.3f} "
                f"(reference {s['reference_ppl']:.3f}); {s['nan']} NaN, {s['inf']} Inf"
            )
    return 5 if any(s["nan"] or s["inf"] for s in summaries) else 0


if __name__ == "__main__":
    sys.exit(main())
