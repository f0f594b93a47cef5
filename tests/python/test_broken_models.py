"""The writers of others' half-precision files, on a tiny model: right types, Casts and weights."""

import warnings
from collections import Counter
from pathlib import Path

import numpy as np
import onnx
import pytest
from onnx import TensorProto
from onnxquant.export import gemma3
from onnxquant_tools.broken_models import FINAL_NORM, LIMIT, NORM, Dtype, build_gemma, clipped
from onnxquant_tools.build_gemma_reference import (
    expected_operators,
    operators,
    reference_initializers,
)
from onnxquant_tools.initializers import read_initializers
from onnxquant_tools.session import CausalModel
from onnxquant_tools.tiny_gemma import LAYERS, write_tiny_gguf

DTYPES: tuple[Dtype, ...] = ("fp16", "q4f16")
TOKENS = [2, 7, 11, 13]


@pytest.fixture(scope="module")
def tiny(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a tiny float32 Gemma."""
    folder = tmp_path_factory.mktemp("tiny")
    write_tiny_gguf(folder / "tiny.gguf")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # no tokenizer beside it
        return Path(gemma3(folder / "tiny.gguf", folder / "model").models["fp32"])


def _graph(path: Path) -> onnx.GraphProto:
    return onnx.load(path, load_external_data=False).graph


def _logits(path: Path) -> np.ndarray[tuple[int, ...], np.dtype[np.float32]]:
    return CausalModel(path, "cpu").step(TOKENS)


@pytest.mark.parametrize("dtype", DTYPES)
def test_build_gemmas_file_has_the_recipes_weights_whole_or_one_by_one(
    dtype: Dtype, tiny: Path, tmp_path: Path
) -> None:
    """The quantizer works on the whole model here, and on each weight in the recipe."""
    made = dict(read_initializers(build_gemma(tiny, tmp_path, dtype)))
    expected = dict(reference_initializers(tiny, dtype))
    assert set(made) == set(expected)
    for name, weight in expected.items():
        assert (name, made[name].dtype) == (name, weight.dtype)
        assert np.array_equal(made[name].data, weight.data), name


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("mended", [False, True])
def test_build_gemmas_file_has_the_recipes_operators_and_lacks_the_final_norms_cast(
    dtype: Dtype, mended: bool, tiny: Path, tmp_path: Path
) -> None:
    made = build_gemma(tiny, tmp_path, dtype, final_norm_cast=mended)
    lacking: Counter[tuple[str, str]] = Counter({("", "Cast"): 0 if mended else 1})
    assert operators(made) + lacking == expected_operators(tiny, dtype)
    (final,) = (node for node in _graph(made).node if node.name == FINAL_NORM)
    read = f"{FINAL_NORM}/Cast/output_0" if mended else f"/model/layers.{LAYERS - 1}/Add_2/output_0"
    assert final.input[0] == read


def test_build_gemmas_norms_alone_compute_in_float32(tiny: Path, tmp_path: Path) -> None:
    graph = _graph(build_gemma(tiny, tmp_path, "fp16"))
    types = {v.name: v.type.tensor_type.elem_type for v in (*graph.value_info, *graph.input)}
    floats = {name: kind for name, kind in types.items() if kind in (1, 10)}
    wide = {node.output[0] for node in graph.node if node.op_type == NORM}
    assert not {tensor.name for tensor in graph.initializer} & set(types)
    assert {name for name, kind in floats.items() if kind == TensorProto.FLOAT} == wide
    assert [(v.name, v.type.tensor_type.elem_type) for v in graph.output][:2] == [
        ("logits", TensorProto.FLOAT),
        ("present.0.key", TensorProto.FLOAT16),
    ]


def test_build_gemmas_mended_float16_file_gives_float32s_logits_on_the_cpu(
    tiny: Path, tmp_path: Path
) -> None:
    made = build_gemma(tiny, tmp_path, "fp16", final_norm_cast=True)
    assert np.allclose(_logits(made), _logits(tiny), atol=0.05)


@pytest.mark.parametrize("dtype", DTYPES)
def test_a_clipped_file_clamps_the_stream_in_every_layer_and_computes_the_same_below(
    dtype: Dtype, tiny: Path, tmp_path: Path
) -> None:
    plain = build_gemma(tiny, tmp_path, dtype, final_norm_cast=True)
    made = clipped(plain, tmp_path / "clipped")
    limits = {name: weight.array() for name, weight in read_initializers(made)}
    clips = [node for node in _graph(made).node if node.op_type == "Clip"]
    assert [node.input[0] for node in clips] == [
        f"/model/layers.{layer}/Add_1/output_0" for layer in range(LAYERS)
    ]
    for node in clips:
        low, high = (limits[name] for name in node.input[1:])
        assert (float(low), float(high), low.dtype.name) == (-LIMIT, LIMIT, "float16")
    # ONNX Runtime fuses other nodes, so it rounds elsewhere.
    assert np.allclose(_logits(made), _logits(plain), atol=0.1)


def test_a_file_without_the_streams_sums_is_not_clipped(tiny: Path, tmp_path: Path) -> None:
    model = onnx.load(tiny, load_external_data=False)
    del model.graph.node[20:]
    onnx.save(model, tmp_path / "cut.onnx")
    with pytest.raises(ValueError, match="no node has an output"):
        clipped(tmp_path / "cut.onnx", tmp_path / "clipped")
