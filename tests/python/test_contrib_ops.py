"""The table of ONNX Runtime's own operators, held against ONNX Runtime's schemas and kernels."""

import re
from pathlib import Path
from typing import Any

import onnx
import onnxruntime
import pytest
from onnx import TensorProto, helper
from onnxruntime.capi.onnxruntime_pybind11_state import (
    get_all_operator_schema,
    get_all_opkernel_def,
)

TABLE = Path(__file__).parents[2] / "lib" / "analysis" / "contrib_ops.cc"
FLOAT, HALF, BFLOAT = "tensor(float)", "tensor(float16)", "tensor(bfloat16)"
NUMBERS = {
    FLOAT: TensorProto.FLOAT,
    HALF: TensorProto.FLOAT16,
    **{
        f"tensor({name})": getattr(TensorProto, name.upper())
        for name in ("int64", "int32", "int16", "int8", "uint8", "uint4", "int4", "bool", "string")
    },
}
# Only ONNX's own domain lacks a schema in ONNX for these; the rest there are experiments that ONNX
# dropped long ago (Affine, Crop ...) and stay unknown.
ALSO = {"SimplifiedLayerNormalization"}

# Rows that are narrower than the schemas, with the reason.
NARROWER = {
    "BeamSearch": "the types of what it takes are those that its bodies want",
    "EPContext": "holds a graph compiled for the types that it has",
    "GemmFloat8": "its types do not go together; an attribute names the output's",
    "GroupNorm": "CUDA's kernel takes gamma and beta in float32 only",
    "Irfft": "cuFFT transforms float16 only in sizes that are powers of two",
    "IsAllFinite": "asks about the values as they are",
    "Rfft": "cuFFT transforms float16 only in sizes that are powers of two",
    "SkipGroupNorm": "CUDA's kernel takes gamma and beta in float32 only",
    "WhisperBeamSearch": "the types of what it takes are those that its bodies want",
}
# Rows that are wider, with the reason.
WIDER = {"SimplifiedLayerNormalization": "no kernel gives the inverse deviation in float64"}


def rows() -> dict[str, tuple[str, str]]:
    """Parse the table: an operator's letters for inputs and outputs."""
    found = re.findall(r'\{(?:kMs|""), "(\w+)", "([^"]+)", "([^"]+)"\}', TABLE.read_text())
    assert [name for name, *_ in found] == sorted({name for name, *_ in found})
    return {name: (inputs, outputs) for name, inputs, outputs in found}


def schemas() -> dict[str, Any]:
    """Return ONNX Runtime's schemas that ONNX does not have, by operator."""
    return {
        schema.name: schema
        for schema in get_all_operator_schema()
        if schema.domain == "com.microsoft" or schema.name in ALSO
    }


def letter(letters: str, slot: int) -> str:
    """Return the letter of a slot; the last one repeats."""
    return letters[min(slot, len(letters) - 1)]


def expected(schema: Any) -> tuple[str, str]:
    """Return a letter for each slot of the schema."""

    def half(types: list[str]) -> str:
        return "T" if BFLOAT in types else "H"

    inputs = [
        half(p.types) if HALF in p.types else "F" if FLOAT in p.types else "-"
        for p in schema.inputs
    ]

    def output(types: list[str]) -> str:
        if HALF in types:  # follows an input, or an attribute says what it is
            return half(types) if half(types) in inputs else "-"
        return "F" if set(types) == {FLOAT} else "-"  # never F where it may be something else

    return "".join(inputs), "".join(output(p.types) for p in schema.outputs)


ROWS = rows()
SCHEMAS = schemas()


@pytest.mark.parametrize("name", sorted(ROWS))
def test_a_row_says_what_the_schema_says(name: str) -> None:
    schema = SCHEMAS[name]
    for found, wanted in zip(ROWS[name], expected(schema), strict=True):
        assert len(found) <= len(wanted) or not wanted
        full = "".join(letter(found, slot) for slot in range(len(wanted)))
        if name in NARROWER:
            assert re.fullmatch(re.sub("([TH])", r"[\1F-]", wanted), full)
        elif name in WIDER:
            assert re.fullmatch(wanted.replace("-", "[F-]"), full)
        else:
            assert full == wanted


@pytest.mark.parametrize("name", sorted(NARROWER | WIDER))
def test_an_explained_difference_is_one(name: str) -> None:
    full = tuple(
        "".join(letter(letters, slot) for slot in range(len(wanted)))
        for letters, wanted in zip(ROWS[name], expected(SCHEMAS[name]), strict=True)
    )
    assert full != expected(SCHEMAS[name])


def test_each_operator_has_a_row() -> None:
    assert sorted(set(SCHEMAS) - set(ROWS)) == []


@pytest.mark.parametrize("name", sorted(ROWS))
def test_an_input_that_may_hold_float32_never_counts_as_no_float(name: str) -> None:
    for slot, formal in enumerate(SCHEMAS[name].inputs):
        assert FLOAT not in formal.types or letter(ROWS[name][0], slot) in "THF"


def kernels(name: str) -> list[dict[str, list[str]]]:
    """Return the type constraints of the CPU's float32 kernels."""
    constraints = [k.type_constraints for k in get_all_opkernel_def() if k.op_name == name]
    return [c for c in constraints if any(FLOAT in types for types in c.values())]


# Attributes that a kernel or a schema wants another value of than 1 or "NOTSET".
SPECIAL = {
    ("FusedGemm", "activation"): "Relu",
    ("MatMulNBits", "K"): 32,
    ("MatMulNBits", "bits"): 4,
    ("MatMulNBits", "block_size"): 32,
}


def attributes_of(schema: Any) -> dict[str, Any]:
    """Return something for each required attribute."""
    some = {"INT": 1, "INTS": [1, 1], "FLOAT": 1.0, "STRING": "NOTSET"}
    return {
        name: SPECIAL.get((schema.name, name), some[str(value.type).rsplit(".", 1)[-1]])
        for name, value in schema.attributes.items()
        if value.required or (schema.name, name) in SPECIAL
    }


def loads(name: str, constraints: dict[str, list[str]], half: bool, optional: bool) -> str:
    """Load one node with the T and H slots in float16 or float32; return the error, "" for none."""
    schema = SCHEMAS[name]
    inputs, names = [], []
    for slot, formal in enumerate(schema.inputs):
        if str(formal.option).endswith("Optional") and not optional:
            names.append("")
            continue
        types = [t for t in constraints.get(formal.typeStr, sorted(formal.types)) if t in NUMBERS]
        float_slot = letter(ROWS[name][0], slot) in "THF" and FLOAT in formal.types
        if float_slot:
            follows = half and letter(ROWS[name][0], slot) in "TH"
            types = [HALF if follows else FLOAT]
        names.append(f"i{slot}")
        inputs.append(helper.make_tensor_value_info(names[-1], NUMBERS[types[0]], None))
    outputs = [
        onnx.ValueInfoProto(name=f"o{slot}")
        for slot, formal in enumerate(schema.outputs)
        if slot == 0 or optional or not str(formal.option).endswith("Optional")
    ]
    node = helper.make_node(
        name, names, [o.name for o in outputs], domain=schema.domain, **attributes_of(schema)
    )
    model = helper.make_model(
        helper.make_graph([node], "g", inputs, outputs),
        opset_imports=[helper.make_opsetid("", 20), helper.make_opsetid("com.microsoft", 1)],
        ir_version=10,
    )
    options = onnxruntime.SessionOptions()
    options.log_severity_level = 4
    try:
        onnxruntime.InferenceSession(
            model.SerializeToString(), options, providers=["CPUExecutionProvider"]
        )
    except Exception as error:  # ONNX Runtime's errors share no other base
        return str(error)
    return ""


WITH_KERNELS = sorted(name for name in ROWS if set("TH") & set(ROWS[name][0]) and kernels(name))


@pytest.mark.parametrize("name", WITH_KERNELS)
def test_what_loads_in_float32_loads_with_its_slots_in_float16(name: str) -> None:
    constraints = kernels(name)[0]
    cases = [
        optional for optional in (False, True) if not loads(name, constraints, False, optional)
    ]
    assert cases, "the node does not load in float32: mend this test"
    for optional in cases:
        assert loads(name, constraints, True, optional) == ""


def test_that_check_refuses_a_bias_left_in_float32() -> None:
    constraints = {"T3": [FLOAT, HALF], "T1": ["tensor(uint8)"], "T2": ["tensor(uint8)"]}
    inputs, outputs = ROWS["QAttention"]
    ROWS["QAttention"] = ("--FH---H", outputs)  # bias left in float32
    try:
        assert "Type" in loads("QAttention", constraints, True, False)
    finally:
        ROWS["QAttention"] = (inputs, outputs)
