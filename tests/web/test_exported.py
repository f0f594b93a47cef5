"""What the exporter writes in one call, Transformers.js loads, and it generates the same tokens.

In Node.js on the CPU, with a small model of random weights: this is about folders and names.
"""

import json
import os
import subprocess
from pathlib import Path

import pytest
from onnxquant.export import gemma3
from onnxquant.export.gemma_graph import LogitPositions
from onnxquant_tools.product import program
from onnxquant_tools.session import CausalModel
from onnxquant_tools.tiny_gemma import write_tiny_gguf

PROMPT = [2, 7, 41]
COUNT = 8


def _greedy(model: Path) -> list[int]:
    session = CausalModel(model, "cpu")
    tokens: list[int] = []
    step = PROMPT
    for _ in range(COUNT):
        step = [int(session.step(step)[-1].argmax())]
        tokens += step
    return tokens


@pytest.mark.parametrize("logits", ["all", "last", "input"])
def test_transformers_js_continues_as_onnx_runtime_does(
    logits: LogitPositions, web: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("ONNXQUANT", str(program()))
    write_tiny_gguf(tmp_path / "g.gguf", tied=logits == "all")
    with pytest.warns(UserWarning, match=r"no tokenizer.json"):
        done = gemma3(
            tmp_path / "g.gguf", tmp_path / "model", logits=logits,
            quantize=["fp16", "q4f16"], shard_bytes=300_000,
        )  # fmt: skip
    judge = done.models
    if logits == "input":
        # The session here knows no such input; the model is the same but for it.
        with pytest.warns(UserWarning, match=r"no tokenizer.json"):
            judge = gemma3(
                tmp_path / "g.gguf", tmp_path / "judge", quantize=["fp16", "q4f16"]
            ).models
    for dtype in done.models:
        command = [
            "node", str(Path(__file__).with_name("generate_tokens.mjs")), str(done.folder), dtype,
            ",".join(map(str, PROMPT)), str(COUNT),
        ]  # fmt: skip
        ran = subprocess.run(
            command, capture_output=True, text=True, check=False, timeout=120,
            env=os.environ | {"NODE_MODULES": str(web)},
        )  # fmt: skip
        assert ran.returncode == 0, f"{dtype}: {ran.stderr[-2000:]}"
        tokens = json.loads(ran.stdout)
        assert len(tokens) == COUNT
        # Transformers.js counts positions from 1, which rounds otherwise: random weights in 4 bits
        # leave their best tokens too close together for that.
        if dtype != "q4f16":
            assert tokens == _greedy(judge[dtype]), dtype
