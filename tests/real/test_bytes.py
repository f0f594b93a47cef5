"""Sizes and bytes of the converted real model against the community exporter's recipes."""

from collections import Counter
from pathlib import Path

import numpy as np
import onnx
import pytest
from onnxquant_tools.build_gemma_reference import (
    Recipe,
    expected_operators,
    operators,
    reference_initializers,
)
from onnxquant_tools.initializers import Initializer, read_initializers
from real_model import DTYPES, Convert

# Bytes of the community exporter's data files for this model.
RECIPE_BYTES = {"fp32": 1_139_501_568, "fp16": 569_862_656, "q4": 801_090_048, "q4f16": 425_724_416}
# Bytes of what onnx-community ships of this model: asymmetric codes of 4 bits in blocks of 32,
# those of the table twice, once for the embedding and once for the head.
COMMUNITY_BYTES = {"q4": 322_933_248, "q4f16": 272_626_176}
# From so many bytes on tensors begin at multiples of so many.
ALIGNMENTS = {1 << 20: 1 << 16, 1 << 16: 1 << 12, 0: 64}
# Smaller tensors stand in the .onnx file.
INLINE = 1 << 10


def _data_bytes(model: Path) -> int:
    """Return the bytes of all external data files beside a model."""
    return sum(p.stat().st_size for p in model.parent.glob(f"{model.name}_data*"))


def test_the_float32_model_has_the_community_exporters_size(gemma: Path) -> None:
    assert _data_bytes(gemma) == RECIPE_BYTES["fp32"]


@pytest.mark.parametrize(
    ("policy", "dtype"),
    [("gemma-web", "fp16"), ("gemma-rescale", "fp16"), ("gemma-rescale", "q4f16")],
)
def test_our_small_files_are_at_most_one_percent_larger_than_the_community_exporters(
    policy: str, dtype: str, convert: Convert
) -> None:
    assert 0 < _data_bytes(convert(policy) / f"model_{dtype}.onnx") <= (RECIPE_BYTES[dtype] * 1.01)


@pytest.mark.parametrize("recipe", DTYPES)
def test_build_gemma_gives_the_recipes_initializers_bit_for_bit(
    recipe: Recipe, convert: Convert, gemma: Path
) -> None:
    ours = dict(read_initializers(convert("build-gemma") / f"model_{recipe}.onnx"))
    found_total = sum(weight.data.size for weight in ours.values())
    names = set()
    for name, expected in reference_initializers(gemma, recipe):
        names.add(name)
        assert name in ours, f"{name} is missing"
        found = ours[name]
        assert (name, found.dtype) == (name, expected.dtype)
        assert _shape(name, found) == _shape(name, expected), name
        assert np.array_equal(found.data, expected.data), f"{name}: bytes differ"
    assert set(ours) == names
    assert found_total == RECIPE_BYTES[recipe]


def _shape(name: str, weight: Initializer) -> tuple[int, ...]:
    """Return a shape; that of a quantized weight's scales flattened.

    The kernel takes [N * blocks] and [N, blocks] alike, and the quantizer has written both.
    """
    return (int(np.prod(weight.shape)),) if name.endswith("_scales") else weight.shape


@pytest.mark.parametrize("recipe", DTYPES)
def test_build_gemmas_data_size_is_the_recipes_up_to_alignment_and_what_stays_inline(
    recipe: Recipe, convert: Convert
) -> None:
    model = convert("build-gemma") / f"model_{recipe}.onnx"
    weights = [weight for _, weight in read_initializers(model)]
    inline = sum(w.data.size for w in weights if w.location is None)
    gaps = sum(_alignment(w) for w in weights if w.location is not None)
    assert all(w.data.size < INLINE for w in weights if w.location is None)
    stored = _data_bytes(model)
    assert RECIPE_BYTES[recipe] - inline <= stored <= RECIPE_BYTES[recipe] - inline + gaps


def _alignment(weight: Initializer) -> int:
    return next(step for least, step in ALIGNMENTS.items() if weight.data.size >= least)


@pytest.mark.parametrize("dtype", COMMUNITY_BYTES)
def test_onnx_communitys_data_size_is_theirs_up_to_alignment_and_what_stays_inline(
    dtype: str, convert: Convert
) -> None:
    model = convert("onnx-community") / f"model_{dtype}.onnx"
    weights = [weight for _, weight in read_initializers(model)]
    inline = sum(w.data.size for w in weights if w.location is None)
    # Scales and zero points of the table stand once, for two initializers.
    stored = {w.data.ctypes.data: w for w in weights if w.location is not None}.values()
    assert len([w for w in weights if w.location is not None]) == len(stored) + 2
    assert sum(w.data.size for w in stored) + inline == COMMUNITY_BYTES[dtype]
    gaps = sum(_alignment(w) for w in stored)
    assert 0 <= _data_bytes(model) + inline - COMMUNITY_BYTES[dtype] <= gaps


@pytest.mark.parametrize("recipe", DTYPES)
def test_build_gemma_gives_the_recipes_operators(
    recipe: Recipe, convert: Convert, gemma: Path
) -> None:
    found = operators(convert("build-gemma") / f"model_{recipe}.onnx")
    assert _without_identity(found) == _without_identity(expected_operators(gemma, recipe))


def _without_identity(count: Counter[tuple[str, str]]) -> dict[tuple[str, str], int]:
    return {key: n for key, n in count.items() if n and key != ("", "Identity")}


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("policy", ["build-gemma", "gemma-safe", "gemma-web"])
def test_every_external_location_names_the_files_own_data(
    policy: str, dtype: str, convert: Convert
) -> None:
    model = convert(policy) / f"model_{dtype}.onnx"
    used = {w.location for _, w in read_initializers(model) if w.location is not None}
    assert used == {f"{model.name}_data"}


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("policy", ["build-gemma", "gemma-safe", "gemma-web"])
def test_the_inputs_and_outputs_keep_their_names_and_have_the_dtypes_of_the_contract(
    policy: str, dtype: str, convert: Convert, gemma: Path
) -> None:
    """Key-value caches follow the file's dtype; logits stay float32."""
    before = onnx.load(gemma, load_external_data=False).graph
    after = onnx.load(convert(policy) / f"model_{dtype}.onnx", load_external_data=False).graph
    half, full = onnx.TensorProto.FLOAT16, onnx.TensorProto.FLOAT
    io = full if dtype == "q4" else half
    for old, new in ((before.input, after.input), (before.output, after.output)):
        assert [v.name for v in old] == [v.name for v in new]
        for source, value in zip(old, new, strict=True):
            kept = source.type.tensor_type.elem_type
            wanted = io if kept == full and value.name != "logits" else kept
            assert (value.name, value.type.tensor_type.elem_type) == (value.name, wanted)
            assert source.type.tensor_type.shape == value.type.tensor_type.shape
