"""Damages a small checkpoint in many ways: reading it must work, or be refused in words.

    scripts/python.sh -m onnxquant_tools.mutate_checkpoints gguf --count 2000 --seed 1

Prints what was raised but is no CheckpointError, with the number that gives the damage again
(--only), and exits with 1 where there was any.
"""

import argparse
import json
import random
import resource
import shutil
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path

from onnxquant.export.checkpoint import EMBEDDING, Checkpoint
from onnxquant.export.errors import CheckpointError
from onnxquant.export.gguf_checkpoint import GgufCheckpoint
from onnxquant.export.safetensors_checkpoint import SafetensorsCheckpoint

from onnxquant_tools.tiny_gemma import write_tiny_gguf

MEMORY = 4 << 30
# Where the structure is: names, counts, types and offsets.
_HEADS = {"gguf": 4096, "safetensors": 6000, "config": 2000}
_NUMBERS = (0, 1, 2, 31, 255, 2**15, 2**31 - 1, 2**31, 2**32 - 1, 2**40, 2**63 - 1, 2**64 - 1)
_WORDS = (
    b"-1",
    b"null",
    b"{}",
    b"[]",
    b'""',
    b"1e400",
    b"true",
    b"[[[[[[",
    b'"\\ud800"',
    b"9" * 30,
    b"[" * 9999,
)


def _flip(data: bytearray, at: int, draw: random.Random) -> None:
    data[at] ^= 1 << draw.randrange(8)


def _number(data: bytearray, at: int, draw: random.Random) -> None:
    width = draw.choice((1, 4, 8))
    data[at : at + width] = (draw.choice(_NUMBERS) % 256**width).to_bytes(width, "little")


def _word(data: bytearray, at: int, draw: random.Random) -> None:
    data[at : at + draw.randrange(4)] = draw.choice(_WORDS)


def _cut(data: bytearray, at: int, draw: random.Random) -> None:
    del data[at : at + draw.choice((1, 4, 8, len(data)))]


def _repeat(data: bytearray, at: int, draw: random.Random) -> None:
    data[at:at] = data[at : at + draw.choice((1, 8, 64))]


_WAYS: tuple[Callable[[bytearray, int, random.Random], None], ...] = (
    _flip, _number, _number, _word, _cut, _repeat,
)  # fmt: skip


def damaged(data: bytes, head: int, seed: int) -> bytes:
    """Return the file with one to three changes near its beginning."""
    draw = random.Random(seed)
    changed = bytearray(data)
    for _ in range(draw.randint(1, 3)):
        draw.choice(_WAYS)(changed, draw.randrange(max(1, min(head, len(changed)))), draw)
    return bytes(changed)


def _write_safetensors(source: Checkpoint, folder: Path) -> None:
    """Write a folder as transformers does."""
    header: dict[str, object] = {}
    payloads = []
    offset = 0
    for name in source.names():
        array = source.norm_gain(name) if "norm" in name else next(iter(source.row_chunks(name)))
        last = offset + array.nbytes
        shape = list(source.shape(name))
        header[name] = {"dtype": "F32", "shape": shape, "data_offsets": [offset, last]}
        payloads.append(array.tobytes())
        offset = last
    text = json.dumps(header).encode()
    content = len(text).to_bytes(8, "little") + text + b"".join(payloads)
    (folder / "model.safetensors").write_bytes(content)
    (folder / "config.json").write_text(json.dumps(source.config.to_json(1)), encoding="utf-8")


def _read(checkpoint: Checkpoint) -> None:
    """Read some of everything."""
    for name in checkpoint.names()[:4]:
        if checkpoint.shape(name):
            next(iter(checkpoint.row_chunks(name)), None)
    checkpoint.shape(EMBEDDING)
    checkpoint.config.to_json(1)


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("kind", choices=sorted(_HEADS))
    parser.add_argument("--count", type=int, default=500)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--only", type=int, help="the number of one damage, to see its traceback")
    return parser.parse_args()


def main() -> int:
    """Try so many damages; say which were not told well."""
    arguments = _arguments()
    resource.setrlimit(resource.RLIMIT_AS, (MEMORY, MEMORY))
    work = Path(tempfile.mkdtemp(prefix="onnxquant-checkpoints-"))
    try:
        return _try_all(arguments, work)
    finally:
        shutil.rmtree(work)


def _try_all(arguments: argparse.Namespace, work: Path) -> int:
    whole = work / "whole.gguf"
    write_tiny_gguf(whole)
    _write_safetensors(GgufCheckpoint(whole), work)
    names = {"gguf": "whole.gguf", "safetensors": "model.safetensors", "config": "config.json"}
    place = work / names[arguments.kind]
    original = place.read_bytes()

    def opened() -> Checkpoint:
        return GgufCheckpoint(place) if arguments.kind == "gguf" else SafetensorsCheckpoint(work)

    _read(opened())  # whole, it must be read
    first = arguments.seed * 1_000_000
    numbers = range(first, first + arguments.count)
    if arguments.only is not None:
        numbers = range(arguments.only, arguments.only + 1)
    bad = refused = 0
    for number in numbers:
        place.write_bytes(damaged(original, _HEADS[arguments.kind], number))
        try:
            _read(opened())
        except CheckpointError:
            refused += 1
        except Exception as error:
            if arguments.only is not None:
                raise
            bad += 1
            print(f"{number}: {type(error).__name__}: {error}")
    print(f"{len(numbers)} damages: {refused} refused, {bad} not told well")
    return 1 if bad else 0


if __name__ == "__main__":
    sys.exit(main())
