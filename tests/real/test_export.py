"""The exporter on the real Gemma 3 270M: known bytes, from GGUF and from safetensors alike."""

import hashlib
import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from onnxquant.export.checkpoint import tensor
from onnxquant.export.gguf_checkpoint import GgufCheckpoint
from onnxquant_tools.gguf_package import DEFAULT_PACKAGE, locate_checkpoint
from onnxquant_tools.initializers import read_initializers

# Of the data that the exporter wrote when its logits were first compared with Gemma's.
DATA_SHA256 = "d61b6162773dd56ec425f38c563aa3db207884a87fed5ad8ad7af52553fce298"
# Every shard of the safetensors checkpoint has less; each is below a browser's limit anyway.
SHARD = 400 << 20


def _sha256(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


@pytest.fixture(scope="module")
def checkpoint(scratch: Path) -> Path:
    """Return the weights as a sharded safetensors checkpoint, written by the format's definition.

    A norm's gain less 1 is exact in float32 for these weights, so that adding it gives them back.
    """
    source = GgufCheckpoint(locate_checkpoint(DEFAULT_PACKAGE))
    folder = scratch / "safetensors"
    folder.mkdir()
    shards: list[list[str]] = [[]]
    used = 0
    for name in source.names():
        size = 4 * int(np.prod(source.shape(name)))
        if used + size > SHARD and used:
            shards.append([])
            used = 0
        shards[-1].append(name)
        used += size
    weight_map = {}
    for number, names in enumerate(shards, 1):
        file_name = f"model-{number:05}-of-{len(shards):05}.safetensors"
        header, offset = {}, 0
        for name in names:
            shape = source.shape(name)
            last = offset + 4 * int(np.prod(shape))
            header[name] = {"dtype": "F32", "shape": shape, "data_offsets": [offset, last]}
            offset = last
            weight_map[name] = file_name
        text = json.dumps(header).encode()
        with (folder / file_name).open("wb") as file:
            file.write(len(text).to_bytes(8, "little") + text)
            for name in names:
                if "norm" in name:
                    file.write((source.norm_gain(name) - np.float32(1)).tobytes())
                else:
                    file.write(tensor(source, name).tobytes())
    (folder / "model.safetensors.index.json").write_text(json.dumps({"weight_map": weight_map}))
    (folder / "config.json").write_text(json.dumps(source.config.to_json(1)))
    return folder


def test_the_gguf_gives_the_known_bytes(gemma: Path) -> None:
    assert _sha256(gemma.with_name("model.onnx_data")) == DATA_SHA256


def test_safetensors_of_the_same_weights_give_the_same_bytes_in_bounded_memory(
    checkpoint: Path, gemma: Path, scratch: Path
) -> None:
    out = scratch / "exported"
    script = (
        "import sys\n"
        "from onnxquant.export.__main__ import main\n"
        "status = main(sys.argv[1:])\n"
        # Not getrusage, whose peak counts the parent's memory of before this program began.
        "peak = next(s for s in open('/proc/self/status') if s.startswith('VmHWM'))\n"
        "print(status, peak.split()[1])\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", script, str(checkpoint), str(out)],
        capture_output=True, text=True, check=True,
    )  # fmt: skip
    status, peak_kib = map(int, done.stdout.splitlines()[-1].split())
    assert status == 0
    # The weights take 1139 MB, the embedding alone 671 MB.
    assert peak_kib < 400_000
    assert _sha256(out / "onnx" / "model.onnx_data") == DATA_SHA256
    names = [name for name, _ in read_initializers(out / "onnx" / "model.onnx")]
    assert names == [name for name, _ in read_initializers(gemma)]
