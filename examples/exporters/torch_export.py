"""torch.onnx.export, then onnxquant on the model that it holds: no float32 file in between.

torch_export.py FOLDER
"""

import sys
from pathlib import Path

import onnxquant
import torch


class Attention(torch.nn.Module):  # type: ignore[misc]  # seen without torch
    """One head with a norm and a feed-forward part, as small as they come."""

    def __init__(self, width: int = 64) -> None:
        """Make random weights."""
        super().__init__()
        self.norm = torch.nn.RMSNorm(width)
        self.qkv = torch.nn.Linear(width, 3 * width, bias=False)
        self.out = torch.nn.Linear(width, width, bias=False)
        self.up = torch.nn.Linear(width, 4 * width)
        self.down = torch.nn.Linear(4 * width, width)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Map [batch, positions, width] to the same shape."""
        q, k, v = self.qkv(self.norm(x)).chunk(3, dim=-1)
        scores = q @ k.transpose(-1, -2) / q.shape[-1] ** 0.5
        x = x + self.out(torch.softmax(scores, dim=-1) @ v)
        return x + self.down(torch.nn.functional.gelu(self.up(x)))


def export(module: torch.nn.Module, x: torch.Tensor, folder: Path) -> onnxquant.Report:
    """Write model_fp16.onnx and model_q4f16.onnx of a module into a folder."""
    shape = {0: torch.export.Dim("batch"), 1: torch.export.Dim("positions")}
    program = torch.onnx.export(module.eval(), (x,), dynamo=True, dynamic_shapes=(shape,))
    assert program is not None
    folder.mkdir(parents=True, exist_ok=True)
    onnxquant.quantize(program.model, "fp16", output=folder)
    return onnxquant.quantize(program.model, "q4f16", output=folder)


if __name__ == "__main__":
    torch.manual_seed(0)
    print(export(Attention(), torch.randn(2, 5, 64), Path(sys.argv[1])))
