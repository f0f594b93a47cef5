"""Exports the small models of family_models by several exporters, into a folder.

    python -m onnxquant_tools.family_exports [--families llama,…] [--exporters optimum,…] [FOLDER]

Each pair has a folder of its own, `FOLDER/FAMILY/EXPORTER`, which stays once it is there; what an
exporter does not know is said and left out. Needs the environment of scripts/test_exporters.sh.
"""

import argparse
import contextlib
import logging
import os
import shutil
import subprocess
import sys
import unittest.mock
import warnings
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import torch
from tokenizers import Tokenizer, models, pre_tokenizers
from transformers import PreTrainedTokenizerFast
from transformers.masking_utils import ALL_MASK_ATTENTION_FUNCTIONS

from onnxquant_tools.cache import cache_folder
from onnxquant_tools.family_models import FAMILIES, make_model
from onnxquant_tools.family_sizes import VOCABULARY

Exporter = Callable[[str, Path, Path], None]


def write_tokenizer(folder: Path, vocabulary: int = VOCABULARY) -> None:
    """Write a tokenizer of words w3, w4 …, which builders of whole folders ask for."""
    words = {"<unk>": 0, "<s>": 1, "</s>": 2, **{f"w{i}": i for i in range(3, vocabulary)}}
    tokenizer = Tokenizer(models.WordLevel(words, unk_token="<unk>"))
    tokenizer.pre_tokenizer = pre_tokenizers.Whitespace()
    PreTrainedTokenizerFast(
        tokenizer_object=tokenizer, unk_token="<unk>", bos_token="<s>", eos_token="</s>"
    ).save_pretrained(folder)


def make_checkpoint(family: str, folder: Path) -> Path:
    """Save the family's small model as transformers does, once."""
    if not (folder / "config.json").exists():
        make_model(family).save_pretrained(folder)
        write_tokenizer(folder)
    return folder


class _Called(torch.nn.Module):  # type: ignore[misc]  # torch is not there where this is checked
    """Calls a model with named inputs and gives one output of it."""

    def __init__(self, model: torch.nn.Module, names: list[str], output: str) -> None:
        super().__init__()
        self.model, self.names, self.output = model, names, output

    def forward(self, first: torch.Tensor, second: torch.Tensor | None = None) -> Any:
        named = dict(zip(self.names, (first, second), strict=False))
        if FAMILIES[self.model.family].kind == "decoder":
            named["use_cache"] = False
        return getattr(self.model(**named, return_dict=True), self.output)


def _ids(length: int = 6) -> torch.Tensor:
    return torch.arange(3, 3 + 2 * length).reshape(2, length)


def _call_of(family: str, *, embedded: bool) -> tuple[dict[str, torch.Tensor], str]:
    """Return inputs of the family's model, and the output to hand out."""
    kind = FAMILIES[family].kind
    ids, pixels = _ids(), torch.ones(2, 3, 32, 32) / 2
    mask = torch.ones_like(ids)
    if kind == "decoder" and embedded:
        return {"inputs_embeds": torch.ones(2, 6, 64), "attention_mask": mask}, "logits"
    if kind == "decoder":
        return {"input_ids": ids, "attention_mask": mask}, "logits"
    if kind == "encoder":
        output = "logits" if family == "bert_classes" else "last_hidden_state"
        return {"input_ids": ids, "attention_mask": mask}, output
    if kind == "seq2seq":
        return {"input_ids": ids, "decoder_input_ids": ids[:, :4] + 1}, "logits"
    if family == "whisper":
        return {"input_features": torch.ones(2, 16, 3000), "decoder_input_ids": ids}, "logits"
    if family == "moonshine":
        return {"input_values": torch.ones(2, 8000), "decoder_input_ids": ids}, "logits"
    if kind == "vision":
        output = "last_hidden_state" if family == "dinov2" else "logits"
        return {"pixel_values": pixels}, output
    if kind == "clip":
        return {"input_ids": ids, "pixel_values": pixels}, "logits_per_image"
    if kind == "sam":
        points = torch.ones(2, 1, 3, 2) * 8
        return {"pixel_values": torch.ones(2, 3, 64, 64) / 2, "input_points": points}, "pred_masks"
    return {"input_ids": ids}, "waveform"


@contextlib.contextmanager
def traceable_masks() -> Iterator[None]:
    """Let transformers make masks without vmap, which traces cannot follow."""
    from optimum.exporters.onnx.model_patcher import (
        eager_mask_without_vmap,
        sdpa_mask_without_vmap,
    )

    masks = {"sdpa": sdpa_mask_without_vmap, "eager": eager_mask_without_vmap}
    with unittest.mock.patch.dict(ALL_MASK_ATTENTION_FUNCTIONS._global_mapping, masks):
        yield


def _export_torch(family: str, folder: Path, *, dynamo: bool, embedded: bool = False) -> None:
    model = make_model(family)
    model.family = family
    inputs, output = _call_of(family, embedded=embedded)
    called = _Called(model, list(inputs), output).eval()
    common = {"input_names": list(inputs), "output_names": [output], "opset_version": 18}
    args = tuple(inputs.values())
    path = str(folder / "model.onnx")
    if not dynamo:
        text = {"input_ids", "attention_mask", "inputs_embeds", "decoder_input_ids"}
        axes = {name: {0: "batch", 1: f"n_{name}"} for name in inputs if name in text}
        if "input_ids" in axes and "attention_mask" in axes:
            axes["attention_mask"] = axes["input_ids"]
        with traceable_masks():
            torch.onnx.export(called, args, path, dynamo=False, dynamic_axes=axes, **common)
        return
    length = torch.export.Dim("sequence", min=2, max=64)
    text = {"input_ids", "attention_mask", "inputs_embeds"}
    decoder = FAMILIES[family].kind in {"decoder", "encoder"}
    shapes = tuple({1: length} if name in text and decoder else {} for name in inputs)
    torch.onnx.export(
        called, args, path, dynamo=True, dynamic_shapes=shapes, external_data=False, **common
    )


def _export_optimum(family: str, checkpoint: Path, folder: Path) -> None:
    from optimum.exporters.onnx import main_export

    task = FAMILIES[family].task
    main_export(str(checkpoint), folder, task=task, do_validation=False, opset=18)


def _export_genai(family: str, checkpoint: Path, folder: Path, *extra: str) -> None:
    del family
    command = [sys.executable, "-m", "onnxruntime_genai.models.builder", "-p", "fp32", "-e", "cpu"]
    command += ["-c", str(folder / "cache"), "-i", str(checkpoint), "-o", str(folder)]
    if extra:
        command += ["--extra_options", *extra]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    shutil.rmtree(folder / "cache", ignore_errors=True)
    if done.returncode != 0:
        raise RuntimeError(done.stderr.strip().splitlines()[-1])


def _export_own(family: str, checkpoint: Path, folder: Path) -> None:
    import onnxquant.export

    if family != "gemma3":
        raise ValueError("onnxquant.export writes Gemma 3 alone")
    onnxquant.export.gemma3(checkpoint, folder, force=True)


def _fuse(family: str, checkpoint: Path, folder: Path) -> None:
    """Fuse optimum's export as onnxruntime.transformers' optimizer does."""
    from onnxruntime.transformers import optimizer
    from onnxruntime.transformers.fusion_options import FusionOptions

    kind = {"gpt2": "gpt2", "vit": "vit", "bart": "bart", "clip": "clip", "t5": "t5"}.get(family)
    kind = kind or ("bert" if FAMILIES[family].kind == "encoder" else "gpt2")
    with contextlib.suppress(FileExistsError):
        (folder / "plain").mkdir()
    _export_optimum(family, checkpoint, folder / "plain")
    for path in sorted((folder / "plain").glob("*.onnx")):
        fused = optimizer.optimize_model(
            str(path), kind, num_heads=4, hidden_size=64, optimization_options=FusionOptions(kind)
        )
        fused.save_model_to_file(str(folder / path.name))
    shutil.rmtree(folder / "plain")


def _quantize(family: str, checkpoint: Path, folder: Path) -> None:
    """Quantize optimum's export as onnxruntime.quantization's quantize_dynamic does."""
    from onnxruntime.quantization import quantize_dynamic

    (folder / "plain").mkdir()
    _export_optimum(family, checkpoint, folder / "plain")
    for path in sorted((folder / "plain").glob("*.onnx")):
        quantize_dynamic(str(path), str(folder / path.name))
    shutil.rmtree(folder / "plain")


EXPORTERS: dict[str, Exporter] = {
    "optimum": _export_optimum,
    "torch-dynamo": lambda family, _, folder: _export_torch(family, folder, dynamo=True),
    "torch-script": lambda family, _, folder: _export_torch(family, folder, dynamo=False),
    "torch-dynamo-embeds": lambda family, _, folder: _export_torch(
        family, folder, dynamo=True, embedded=True
    ),
    "genai": _export_genai,
    "genai-embeds": lambda family, checkpoint, folder: _export_genai(
        family, checkpoint, folder, "exclude_embeds=true"
    ),
    "onnxquant": _export_own,
    "ort-fused": _fuse,
    "ort-quantized": _quantize,
}


def export(family: str, exporter: str, root: Path) -> Path | str:
    """Export a family's model once; return its folder, or why the exporter refuses it."""
    folder, refusal = root / family / exporter, root / family / f"{exporter}.refused"
    if list(folder.glob("**/*.onnx")):
        return folder
    if refusal.exists():
        return refusal.read_text(encoding="utf-8")
    checkpoint = make_checkpoint(family, root / family / "checkpoint")
    building = root / family / f".{exporter}"
    shutil.rmtree(building, ignore_errors=True)
    building.mkdir(parents=True)
    try:
        EXPORTERS[exporter](family, checkpoint, building)
    except Exception as error:
        shutil.rmtree(building)
        why = f"{type(error).__name__}: {str(error).strip().splitlines()[0] if str(error) else ''}"
        refusal.write_text(why, encoding="utf-8")
        return why
    building.rename(folder)
    return folder


def main() -> None:
    """Export what is asked for, and say of each pair where it lies or why there is none."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folder", nargs="?", type=Path, default=cache_folder() / "families")
    parser.add_argument("--families", default=",".join(FAMILIES))
    parser.add_argument("--exporters", default=",".join(EXPORTERS))
    arguments = parser.parse_args()
    warnings.filterwarnings("ignore")
    logging.disable(logging.CRITICAL)
    os.environ.setdefault("HF_HUB_OFFLINE", "1")
    for family in arguments.families.split(","):
        for exporter in arguments.exporters.split(","):
            done = export(family, exporter, arguments.folder)
            print(f"{family} {exporter}: {done}", flush=True)


if __name__ == "__main__":
    main()
