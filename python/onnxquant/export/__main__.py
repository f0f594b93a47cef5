"""Export a Gemma 3 checkpoint: python -m onnxquant.export CHECKPOINT OUT [options]."""

import argparse
import sys
import warnings

from onnxquant.export.conversion import ConversionError
from onnxquant.export.errors import CheckpointError
from onnxquant.export.pipeline import gemma3


def main(arguments: list[str] | None = None) -> int:
    """Run the command line; 0 done, 1 usage, 2 bad checkpoint, 4 conversion failed."""
    parser = argparse.ArgumentParser(
        prog="python -m onnxquant.export",
        description="Export a Gemma 3 text checkpoint to an ONNX folder for Transformers.js.",
    )
    parser.add_argument("checkpoint", help="folder of safetensors, .gguf file, or adapter folder")
    parser.add_argument("out", help="folder to write")
    parser.add_argument("--adapter", help="folder of a PEFT LoRA adapter to merge")
    parser.add_argument(
        "--logits", choices=("all", "last", "input"), default="all",
        help="positions with logits; input: as num_logits_to_keep says (default all)",
    )  # fmt: skip
    parser.add_argument(
        "--quantize", nargs="+", default=(), metavar="DTYPE",
        help="also write these of the policy's outputs: fp16 q4 q4f16",
    )  # fmt: skip
    parser.add_argument("--policy", default="gemma-web", help="policy for --quantize")
    parser.add_argument("--force", action="store_true", help="replace an existing folder")
    options = parser.parse_args(arguments)
    try:
        with warnings.catch_warnings(record=True) as caught:
            warnings.simplefilter("always")
            done = gemma3(
                options.checkpoint,
                options.out,
                adapter=options.adapter,
                logits=options.logits,
                quantize=options.quantize,
                policy=options.policy,
                force=options.force,
            )
    except FileExistsError as error:
        print(f"export: {error}".replace("pass force=True", "pass --force"), file=sys.stderr)
        return 1
    except CheckpointError as error:
        print(f"export: {error}", file=sys.stderr)
        return 2
    except ConversionError as error:
        print(f"export: {error}", file=sys.stderr)
        return 4
    for warning in caught:
        print(f"note: {warning.message}", file=sys.stderr)
    print(f"{done.models['fp32']}: {done.data_bytes} bytes of weights")
    return 0


if __name__ == "__main__":
    sys.exit(main())
