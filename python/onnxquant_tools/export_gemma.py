"""Export a Gemma 3 text checkpoint (GGUF) to a float32 ONNX model folder.

    python -m onnxquant_tools.export_gemma --gguf FILE|PACKAGE --out DIR [--logits all|last]

writes DIR/config.json, DIR/generation_config.json, DIR/onnx/model.onnx and its model.onnx_data.
"""

import argparse
import sys
import time
import warnings
from pathlib import Path

from onnxquant.export import CheckpointError, gemma3

from onnxquant_tools.gguf_package import DEFAULT_PACKAGE, locate_checkpoint


def main(arguments: list[str] | None = None) -> int:
    """Run the command line; 0 done, 1 usage, 2 bad checkpoint."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument(
        "--gguf", default=DEFAULT_PACKAGE,
        help=f"a .gguf file, or an installed package of weights (default {DEFAULT_PACKAGE})",
    )  # fmt: skip
    parser.add_argument("--out", type=Path, required=True, help="model folder to write")
    parser.add_argument(
        "--logits", choices=("all", "last"), default="all",
        help="positions that the model gives logits for (default all)",
    )  # fmt: skip
    parser.add_argument("--force", action="store_true", help="replace an existing folder")
    options = parser.parse_args(arguments)
    start = time.monotonic()
    try:
        path = locate_checkpoint(options.gguf)
        with warnings.catch_warnings():
            # A package of weights has no tokenizer's files: the tools read the GGUF's vocabulary.
            warnings.simplefilter("ignore")
            done = gemma3(path, options.out, logits=options.logits, force=options.force)
    except FileExistsError as error:
        print(f"export_gemma: {error}".replace("force=True", "--force"), file=sys.stderr)
        return 1
    except CheckpointError as error:
        print(f"export_gemma: {error}", file=sys.stderr)
        return 2
    seconds = time.monotonic() - start
    print(f"{done.models['fp32']}: {done.data_bytes} bytes of weights in {seconds:.0f} s")
    return 0


if __name__ == "__main__":
    sys.exit(main())
