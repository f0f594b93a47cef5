"""verify's figures on the real model, beside numpy's from the definitions."""

import json
import subprocess
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest
from onnxquant_tools.compare_logits import default_tokens
from onnxquant_tools.session import CausalModel
from real_model import Convert

COUNT = 256
CHUNK = 64  # both sides step alike, so that their logits are the same to the bit

Floats = npt.NDArray[np.float64]


def _normalized(logits: npt.NDArray[np.float32]) -> Floats:
    wide = logits.astype(np.float64)
    wide -= wide.max()
    return np.asarray(wide - np.log(np.exp(wide).sum()))


def _divergence(p: Floats, q: Floats) -> float:
    """Return the sum of p (log p - log q), written so that nothing cancels: both sum to one."""
    difference = p - q
    return float((np.exp(p) * (difference + np.expm1(-difference))).sum())


def _figures(
    reference: npt.NDArray[np.float32], candidate: npt.NDArray[np.float32], tokens: list[int]
) -> dict[str, float]:
    kl, losses, reference_losses, same, overlap = [], [], [], 0, 0
    for i, (right, found) in enumerate(zip(reference, candidate, strict=True)):
        p, q = _normalized(right), _normalized(found)
        kl.append(_divergence(p, q))
        same += int(right.argmax() == found.argmax())
        top = [set(np.argpartition(-row, 5)[:5].tolist()) for row in (right, found)]
        overlap += len(top[0] & top[1])
        if i + 1 < len(tokens):
            losses.append(-q[tokens[i + 1]])
            reference_losses.append(-p[tokens[i + 1]])
    wide = reference.astype(np.float64)
    half = 1.959963984540054 * np.std(losses, ddof=1) / np.sqrt(len(losses))
    return {
        "kl_mean": float(np.mean(kl)),
        "kl_median": float(np.median(kl)),
        "kl_p99": float(np.quantile(kl, 0.99)),
        "kl_p99_9": float(np.quantile(kl, 0.999)),
        "kl_max": max(kl),
        "top1": same / len(kl),
        "top5": overlap / 5 / len(kl),
        "largest_logit_error": float(np.abs(candidate - wide).max()),
        "perplexity": float(np.exp(np.mean(losses))),
        "low": float(np.exp(np.mean(losses) - half)),
        "high": float(np.exp(np.mean(losses) + half)),
        "reference_perplexity": float(np.exp(np.mean(reference_losses))),
    }


def _logits(model: Path, tokens: list[int]) -> npt.NDArray[np.float32]:
    runner = CausalModel(model, "cpu")
    steps = [runner.step(tokens[i : i + CHUNK]) for i in range(0, len(tokens), CHUNK)]
    return np.concatenate(steps).astype(np.float32)


def test_the_figures_equal_numpys_to_a_millionth(
    binary: Path, gemma: Path, convert: Convert, scratch: Path
) -> None:
    tokens = default_tokens()[:COUNT]
    path = scratch / "tokens.npy"
    np.save(path, np.array(tokens, np.int64))
    candidates = [convert("gemma-web") / f"model_{dtype}.onnx" for dtype in ("fp16", "q4")]
    command = [str(binary), "verify", str(gemma), *map(str, candidates), "--tokens", str(path)]
    command += ["--chunk", str(CHUNK), "--greedy", "0", "--json"]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    verified: dict[str, Any] = json.loads(done.stdout)
    reference = _logits(gemma, tokens)
    for candidate, result in zip(candidates, verified["results"], strict=True):
        expected = _figures(reference, _logits(candidate, tokens), tokens)
        language = result["language"]
        found = {
            **language,
            **language["perplexity"],
            "perplexity": language["perplexity"]["value"],
        }
        found["reference_perplexity"] = verified["reference_perplexity"]["value"]
        assert language["positions"] == COUNT
        for name, value in expected.items():
            print(candidate.name, name, value, found[name])
            assert found[name] == pytest.approx(value, rel=1e-6, abs=0), name
    fp16, q4 = (result["language"]["kl_mean"] for result in verified["results"])
    assert fp16 < 1e-5 < 0.05 < q4
