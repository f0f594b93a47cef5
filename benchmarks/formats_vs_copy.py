"""Time the conversion of a synthetic float32 model to each format of weights against file copies.

    scripts/python.sh benchmarks/formats_vs_copy.py [--megabytes N] [--runs N] [--word WORD …]

The model is one table and products of several shapes, random numbers, made in a folder that goes
away. For each word of `onnxquant formats` the model is converted, its own output files are copied
in 8 MiB pieces and synced, as the conversion does, and so is the model's data file, which is what
the conversion reads. Prints the medians, and what a conversion takes as a multiple of each copy: in
time, and in processor time, of which other programs and the disk take nothing.
Machines are noisy: quote the ratios, not the seconds.
"""

import argparse
import json
import os
import statistics
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import onnx
from convert_vs_copy import PIECE, copy
from onnx import TensorProto, helper
from onnxquant_tools.product import program, scratch_folder

BINARY = program()
# Rows and columns of products: wide, high and square; each in turn until the size is reached.
SHAPES = [(2048, 8192), (8192, 2048), (4096, 4096)]
POLICY = """policy: 1
name: benchmark
outputs:
  q4: {{compute: float32, weights: {word}, io: float32}}
rules:
  - match: {{op: Gather}}
    weights: {table}
    optional: true
"""


def make_model(folder: Path, megabytes: int) -> Path:
    """Write a model whose weights are about so many megabytes of random numbers."""
    random = np.random.default_rng(0)
    graph = onnx.GraphProto(name="synthetic")
    left = megabytes * 1_000_000
    offset = 0
    with (folder / "model.onnx_data").open("wb") as file:

        def add(name: str, rows: int, columns: int) -> None:
            nonlocal left, offset
            for _ in range(0, rows, 1024):
                numbers = random.standard_normal((min(rows, 1024), columns), np.float32)
                file.write((numbers * np.float32(0.02)).tobytes())
            length = rows * columns * 4
            tensor = TensorProto(name=name, data_type=TensorProto.FLOAT, dims=(rows, columns))
            tensor.data_location = TensorProto.EXTERNAL
            for key, value in (("location", file.name), ("offset", offset), ("length", length)):
                text = Path(value).name if isinstance(value, str) else str(value)
                tensor.external_data.add(key=key, value=text)
            graph.initializer.append(tensor)
            offset += length
            left -= length

        add("table", 8192, 2048)
        graph.node.append(helper.make_node("Gather", ["table", "i"], ["e"], "gather"))
        number = 0
        while left > 0:
            rows, columns = SHAPES[number % len(SHAPES)]
            add(f"w{number}", rows, columns)
            product = helper.make_node("MatMul", [f"x{number}", f"w{number}"], [f"y{number}"])
            product.name = f"product{number}"
            graph.node.append(product)
            graph.input.append(
                helper.make_tensor_value_info(f"x{number}", TensorProto.FLOAT, ["n", rows])
            )
            graph.output.append(
                helper.make_tensor_value_info(f"y{number}", TensorProto.FLOAT, ["n", columns])
            )
            number += 1
    graph.input.append(helper.make_tensor_value_info("i", TensorProto.INT64, ["n"]))
    graph.output.append(helper.make_tensor_value_info("e", TensorProto.FLOAT, ["n", 2048]))
    imports = [helper.make_opsetid("", 21)]
    model = helper.make_model(graph, opset_imports=imports, ir_version=10)
    path = folder / "model.onnx"
    path.write_bytes(model.SerializeToString())
    return path


def words() -> dict[str, tuple[str, str]]:
    """Return each word of the table of formats: as what products and a table of rows are stored.

    A table stays float32 where no Gather reads the word; products are `int8` beside a table's own.
    """
    rows = json.loads(subprocess.check_output([BINARY, "formats", "--json"]))["formats"]
    readers: dict[str, set[str]] = {}
    for row in rows:
        readers.setdefault(row["word"], set()).update(row["operators"])
    return {
        word: (word if "MatMul" in ops else "int8", word if "Gather" in ops else "float32")
        for word, ops in readers.items()
    }


def seconds(command: list[str | Path]) -> tuple[float, float]:
    """Return how long a command takes, and its processor time."""
    start, before = time.monotonic(), os.times()
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode != 0:
        sys.exit(f"{' '.join(map(str, command))}: {done.stderr}")
    after = os.times()
    used = after.children_user + after.children_system
    return time.monotonic() - start, used - before.children_user - before.children_system


def copy_timed(source: Path, target: Path) -> tuple[float, float, int]:
    """Return the seconds, the processor time and the bytes of a copy."""
    before = os.times()
    taken, total = copy(source, target)
    after = os.times()
    return taken, after.user + after.system - before.user - before.system, total


def measure(forms: tuple[str, str], model: Path, runs: int) -> list[float]:
    """Return medians of seconds and processor seconds: of a conversion, and copies of its files."""
    text = model.with_name("policy.yaml")
    text.write_text(POLICY.format(word=forms[0], table=forms[1]))
    times = []
    for _ in range(runs):
        with scratch_folder("formats") as place:
            out = place / "out"
            converted = seconds([BINARY, "-q", "--policy", text, "-o", out, model])
            written = copy_timed(out, place / "copy")
            (place / "source").mkdir()
            (place / "source" / "data").symlink_to(model.with_name("model.onnx_data"))
            read = copy_timed(place / "source", place / "again")
            times.append((*converted, *written, *read))
    return [statistics.median(each) for each in zip(*times, strict=True)]


def main() -> None:
    """Run the command line."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--megabytes", type=int, default=512)
    parser.add_argument("--runs", type=int, default=3)
    parser.add_argument("--word", nargs="*", default=[], help="these words alone")
    options = parser.parse_args()
    with scratch_folder("formats-source") as folder:
        model = make_model(folder, options.megabytes)
        size = model.with_name("model.onnx_data").stat().st_size
        every = words() | {word: (word, word) for word in ("float16", "bfloat16", "float32")}
        chosen = {w: f for w, f in every.items() if not options.word or w in options.word}
        print(f"{size / 1e6:.0f} MB of float32, pieces of {PIECE >> 20} MiB")
        print(f"{'':14} {'':>9} {'time':>17} {'processor time':>17}")
        heads = ["/ output", "/ input"] * 2
        print(f"{'word':14} {'output MB':>9} " + " ".join(f"{head:>8}" for head in heads))
        measure(every["float32"], model, 1)  # warms the page cache
        for word, forms in chosen.items():
            taken, used, *copies = measure(forms, model, options.runs)
            out_taken, out_used, total, in_taken, in_used, _ = copies
            ratios = [taken / out_taken, taken / in_taken, used / out_used, used / in_used]
            figures = " ".join(f"{ratio:8.2f}" for ratio in ratios)
            print(f"{word:14} {total / 1e6:9.0f} {figures}", flush=True)


if __name__ == "__main__":
    main()
