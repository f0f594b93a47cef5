"""The real Gemma 3 270M was made of a GGUF file: its weights tell, and come back as they were."""

import json
import subprocess
from collections import Counter
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
from onnx import numpy_helper
from onnxquant_tools.gguf_package import DEFAULT_PACKAGE, locate_checkpoint


@pytest.fixture(name="inspection", scope="module")
def _inspection(binary: Path, gemma: Path) -> dict[str, Any]:
    command = [
        str(binary),
        "inspect",
        "--json",
        "--checkpoint",
        str(locate_checkpoint(DEFAULT_PACKAGE)),
        str(gemma),
    ]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    found: dict[str, Any] = json.loads(done.stdout)
    return found


def test_the_grids_are_those_of_the_file_that_it_was_made_from(inspection: dict[str, Any]) -> None:
    lattices = [weight["lattice"] for weight in inspection["weights"] if weight["lattice"]]
    assert Counter(one["like"] for one in lattices) == {
        "Q5_0": 81,
        "Q4_K": 27,
        "Q8_0": 10,
        "Q6_K": 9,
    }
    assert all(one["exact_blocks"] == one["blocks"] for one in lattices)


def test_every_tensor_of_that_file_is_in_the_graph_as_it_was(inspection: dict[str, Any]) -> None:
    checkpoint = inspection["checkpoint"]
    assert checkpoint["counts"]["equal"] == len(checkpoint["tensors"]) == 236
    assert not checkpoint["lost"]


def _initializer(path: Path, name: str) -> np.ndarray[Any, np.dtype[Any]]:
    model = onnx.load(path, load_external_data=False)
    (tensor,) = (one for one in model.graph.initializer if one.name == name)
    onnx.external_data_helper.load_external_data_for_tensor(tensor, str(path.parent))
    return np.asarray(numpy_helper.to_array(tensor))


def test_its_codes_come_back_without_loss(binary: Path, gemma: Path, scratch: Path) -> None:
    folder = scratch / "lossless"
    command = [str(binary), "--policy", "lossless", "-o", str(folder), str(gemma)]
    subprocess.run(command, check=True, capture_output=True)
    path = folder / "model_quantized.onnx"
    assert path.with_suffix(".onnx_data").stat().st_size < 450e6
    name = "model.layers.3.mlp.gate_proj.MatMul.weight"
    codes = _initializer(path, f"{name}_Q8").astype(np.float32) - 128
    values = codes * _initializer(path, f"{name}_scales")[:, :, None]
    source = _initializer(gemma, name)
    np.testing.assert_array_equal(values.reshape(source.shape[::-1]), source.T)
