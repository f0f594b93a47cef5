"""Turns SmolLM2 135M Instruct, as a GGUF file, into an ONNX model, and a text into its tokens.

    venv-smollm2/bin/python -m onnxquant_tools.export_smollm2 FILE.gguf TEXT FOLDER

Writes FOLDER/onnx/model.onnx in float32, as optimum exports it, and FOLDER/tokens.jsonl. The
weights lie on the GGUF file's grid of 4 bits with a minimum (Q4_1), which HQQ's zero points, being
floats, can hold and integers cannot.
"""

import argparse
import json
import tempfile
from pathlib import Path

import torch
from optimum.exporters.onnx import main_export
from transformers import AutoModelForCausalLM, AutoTokenizer

_TOKENS = 512


def main() -> None:
    """Run the command line."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("gguf", type=Path)
    parser.add_argument("text", type=Path)
    parser.add_argument("folder", type=Path)
    arguments = parser.parse_args()
    source = {"gguf_file": arguments.gguf.name}
    model = AutoModelForCausalLM.from_pretrained(
        arguments.gguf.parent, dtype=torch.float32, **source
    )
    tokenizer = AutoTokenizer.from_pretrained(arguments.gguf.parent, **source)
    with tempfile.TemporaryDirectory() as checkpoint:
        model.save_pretrained(checkpoint)
        tokenizer.save_pretrained(checkpoint)
        task = "text-generation-with-past"
        out = arguments.folder / "onnx"
        main_export(checkpoint, out, task=task, opset=18, do_validation=False)
    ids = tokenizer(arguments.text.read_text(encoding="utf-8")).input_ids[:_TOKENS]
    (arguments.folder / "tokens.jsonl").write_text(json.dumps(ids) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
