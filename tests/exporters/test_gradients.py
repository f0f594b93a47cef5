"""Gradients of `calibrate` are those of torch's autograd on the model before its export."""

import re
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import numpy.typing as npt
import onnxquant
import pytest
import torch
from transformers import AutoModelForCausalLM, PreTrainedModel
from transformers.pytorch_utils import Conv1D

FAMILIES = ("llama", "qwen2", "gpt2", "gemma2", "mistral", "phi3")
TEXTS = [[5, 9, 23, 41, 7, 7, 60, 12], [30, 3, 3, 51, 18, 44, 29, 8, 33, 62]]
Sums = dict[str, npt.NDArray[np.float64]]


def module_of(output: str) -> str:
    """Return the module whose output the exported model calls so."""
    if output == "logits":
        return "lm_head"
    return re.sub(r"/[^/]*$", "", output).strip("/").replace("/", ".")


class Autograd:
    """What modules read and gave, and the sums over their gradients."""

    def __init__(self, model: PreTrainedModel, modules: set[str]) -> None:
        self.seen: list[tuple[str, torch.Tensor, torch.Tensor]] = []
        self.sums: Sums = {}
        for name, module in model.named_modules():
            if name in modules:
                module.register_forward_hook(self._hook(name))

    def _hook(self, name: str) -> Callable[..., None]:
        def keep(_module: object, inputs: tuple[torch.Tensor], output: torch.Tensor) -> None:
            output.retain_grad()
            self.seen.append((name, inputs[0], output))

        return keep

    def add(self) -> None:
        """Add the text that was read backwards."""
        for name, x, output in self.seen:
            assert output.grad is not None
            g = output.grad.reshape(-1, output.shape[-1])
            if x.is_floating_point():
                rows = x.detach().reshape(-1, x.shape[-1])
                total = (rows * g.square().sum(1, keepdim=True)).T @ rows
            else:
                total = g.T @ g
            self.sums[name] = self.sums.get(name, 0) + total.numpy()
        self.seen.clear()


def sums_of(model: PreTrainedModel, modules: set[str]) -> Sums:
    autograd = Autograd(model, modules)
    for text in TEXTS:
        ids = torch.tensor([text])
        logits = model(input_ids=ids, use_cache=False).logits[0, :-1]
        loss = torch.nn.functional.cross_entropy(logits, ids[0, 1:], reduction="sum")
        loss.backward()
        autograd.add()
    return autograd.sums


@pytest.fixture(params=FAMILIES)
def both(
    request: pytest.FixtureRequest,
    checkpoint: Callable[[str], Path],
    exported: Callable[[str], Path],
    tmp_path: Path,
) -> Iterator[tuple[onnxquant.Calibration, PreTrainedModel]]:
    """Return the calibration of an exported model on the texts, and the model in torch."""
    family = request.param
    model = AutoModelForCausalLM.from_pretrained(checkpoint(family), dtype=torch.float64)
    calibration = onnxquant.calibrate(
        exported(family) / "model.onnx", tmp_path / "c.safetensors", TEXTS, gradients=len(TEXTS)
    )
    yield calibration, model.eval()


def test_gradients_are_those_of_autograd(
    both: tuple[onnxquant.Calibration, PreTrainedModel],
) -> None:
    calibration, model = both
    ours = {}
    for name, array in calibration.arrays().items():
        kind, _, output = name.partition("/")
        if kind in ("gradients", "lookup_gradients"):
            ours[module_of(output)] = array
    linear = (torch.nn.Linear, torch.nn.Embedding, Conv1D)
    parts = [name for name, module in model.named_modules() if isinstance(module, linear)]
    assert set(ours) == set(parts)
    theirs = sums_of(model, set(ours))
    for name, array in ours.items():
        assert np.abs(array - theirs[name]).max() <= 1e-4 * np.abs(theirs[name]).max(), name
