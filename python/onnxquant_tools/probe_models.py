"""One-node models, one for each operator, version and float type: what a runtime's kernels take.

    scripts/python.sh -m onnxquant_tools.probe_models FOLDER

writes FOLDER/*.onnx and FOLDER/index.json, which probe_runtime.py and probe_runtime.mjs read.
"""

import argparse
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import onnx
from onnx import TensorProto, helper

from onnxquant_tools.operator_schemas import schema_of

# The letters of lib/targets/kernels.txt.
LETTERS = {"f": "float", "h": "float16", "b": "bfloat16", "d": "double"}
_NUMBERS: dict[str, int] = {
    "tensor(float)": TensorProto.FLOAT,
    "tensor(float16)": TensorProto.FLOAT16,
    "tensor(bfloat16)": TensorProto.BFLOAT16,
    "tensor(double)": TensorProto.DOUBLE,
    "tensor(int64)": TensorProto.INT64,
    "tensor(int32)": TensorProto.INT32,
    "tensor(int8)": TensorProto.INT8,
    "tensor(uint8)": TensorProto.UINT8,
    "tensor(bool)": TensorProto.BOOL,
    "tensor(string)": TensorProto.STRING,
}
# Tried in this order where a slot takes none of the float types.
_OTHERS = ("tensor(int64)", "tensor(int32)", "tensor(uint8)", "tensor(int8)", "tensor(bool)")
_FIRST_OPSET = 7  # before it sums do not broadcast, and Cast names types
_BODIES = {"If", "Loop", "Scan"}  # they compute nothing themselves
# What a node needs before it is valid.
_ATTRIBUTES: dict[str, dict[str, Any]] = {
    "Einsum": {"equation": "ij,jk->ik"},
    "MaxPool": {"kernel_shape": [2, 2]},
    "AveragePool": {"kernel_shape": [2, 2]},
    "LpPool": {"kernel_shape": [2, 2]},
    "MaxUnpool": {"kernel_shape": [2, 2]},
    "RoiAlign": {"output_height": 1, "output_width": 1},
    "DepthToSpace": {"blocksize": 2},
    "SpaceToDepth": {"blocksize": 2},
    "LRN": {"size": 3},
    "RandomNormal": {"shape": [2]},
    "RandomUniform": {"shape": [2]},
    "LSTM": {"hidden_size": 4},
    "GRU": {"hidden_size": 4},
    "RNN": {"hidden_size": 4},
    "InstanceNormalization": {},
    "GroupNormalization": {"num_groups": 1},
    "MultiHeadAttention": {"num_heads": 2},
    "GroupQueryAttention": {"num_heads": 2, "kv_num_heads": 2},
    "LayerNormalization": {"axis": -1},
    "OneHot": {"axis": -1},
    "Attention": {},
}
# Attributes that give the output its type.
_TYPED = {
    "RandomNormal": "dtype",
    "RandomUniform": "dtype",
    "RandomNormalLike": "dtype",
    "RandomUniformLike": "dtype",
    "EyeLike": "dtype",
    "Multinomial": "dtype",
    "Bernoulli": "dtype",
    "BlackmanWindow": "output_datatype",
    "HammingWindow": "output_datatype",
    "HannWindow": "output_datatype",
    "MelWeightMatrix": "output_datatype",
    "Cast": "to",
}
# Of ONNX Runtime's own: inputs by type ("T": the one in question), and attributes.
_OWN: dict[str, tuple[list[str], int, dict[str, Any]]] = {
    "BiasGelu": (["T", "T"], 1, {}),
    "FastGelu": (["T"], 1, {}),
    "FusedMatMul": (["T", "T"], 1, {}),
    "Gelu": (["T"], 1, {}),
    "QuickGelu": (["T"], 1, {}),
    "GroupQueryAttention": (
        ["T", "T", "T", "T", "T", "int32", "int32"],
        3,
        {"num_heads": 2, "kv_num_heads": 2},
    ),
    "MultiHeadAttention": (["T", "T", "T"], 1, {"num_heads": 2}),
    "RotaryEmbedding": (["T", "int64", "T", "T"], 1, {}),
    "SimplifiedLayerNormalization": (["T", "T"], 1, {}),
    "SkipLayerNormalization": (["T", "T", "T"], 1, {}),
    "SkipSimplifiedLayerNormalization": (["T", "T", "T"], 1, {}),
    "Attention": (["T", "T", "T"], 1, {"num_heads": 2}),
    "EmbedLayerNormalization": (
        ["int32", "int32", "T", "T", "T", "T", "T"],
        2,
        {},
    ),
    "ConvTransposeWithDynamicPads": (["T", "T"], 1, {}),
    "GridSample": (["T", "T"], 1, {}),
    "Inverse": (["T"], 1, {}),
    "MoE": (["T", "T", "T", "", "T"], 1, {"k": 1}),
    "LinearAttention": (["T", "T", "T"], 2, {"q_num_heads": 1, "kv_num_heads": 1}),
}


def _value(name: str, number: int) -> onnx.ValueInfoProto:
    return helper.make_tensor_value_info(name, number, None)


def _outside(number: int) -> int:
    return TensorProto.FLOAT if number == TensorProto.BFLOAT16 else number


def _model(
    operator: str,
    domain: str,
    opset: int,
    types: tuple[list[int | None], list[int]],
    attributes: dict[str, Any],
) -> onnx.ModelProto:
    inputs, outputs = types
    names = ["" if number is None else f"i{at}" for at, number in enumerate(inputs)]
    node = helper.make_node(
        operator, names, [f"o{at}" for at in range(len(outputs))], domain=domain, **attributes
    )
    nodes = [node]
    # JavaScript has no tensors of bfloat16: they are made inside.
    for at, number in enumerate(inputs):
        if number == TensorProto.BFLOAT16:
            node.input[at] = f"b{at}"
            nodes.insert(0, helper.make_node("Cast", [f"i{at}"], [f"b{at}"], to=number))
    for at, number in enumerate(outputs):
        if number == TensorProto.BFLOAT16:
            node.output[at] = f"c{at}"
            nodes.append(helper.make_node("Cast", [f"c{at}"], [f"o{at}"], to=TensorProto.FLOAT))
    graph = helper.make_graph(
        nodes,
        "probe",
        [_value(f"i{at}", _outside(number)) for at, number in enumerate(inputs) if number],
        [_value(f"o{at}", _outside(number)) for at, number in enumerate(outputs)],
    )
    imports = [helper.make_opsetid("", opset)]
    if domain:
        imports.append(helper.make_opsetid(domain, 1))
    return helper.make_model(graph, opset_imports=imports, ir_version=10 if opset < 23 else 11)


def _number(types: frozenset[str], wanted: str) -> int | None:
    for text in (wanted, *_OTHERS):
        if text in types:
            return _NUMBERS[text]
    return next((_NUMBERS[text] for text in sorted(types) if text in _NUMBERS), None)


def _standard(name: str, since: int, kind: str) -> onnx.ModelProto | None:
    """Return the model of one of ONNX's own operators, or nothing where it takes no such type."""
    declared = onnx.defs.get_schema(name, since, "")
    schema = schema_of("", name, since)
    wanted = f"tensor({kind})"
    if schema is None:
        return None
    least = max(declared.min_input, 1 if schema.inputs else 0)
    inputs = [_number(item.types, wanted) for item in schema.inputs[:least]]
    outputs = [
        _number(item.types, wanted) for item in schema.outputs[: max(declared.min_output, 1)]
    ]
    number = _NUMBERS[wanted]
    if None in inputs or None in outputs or number not in [*inputs, *outputs]:
        return None
    attributes = dict(_ATTRIBUTES.get(name, {}))
    if name in _TYPED:
        attributes[_TYPED[name]] = number
    missing = [k for k, v in declared.attributes.items() if v.required and k not in attributes]
    if missing:
        return None
    return _model(name, "", since, (inputs, [out for out in outputs if out]), attributes)


def _cases() -> Iterator[tuple[str, int, str, onnx.ModelProto]]:
    """Yield operator, first opset, letter and model."""
    history = [one for one in onnx.defs.get_all_schemas_with_history() if one.domain == ""]
    for declared in sorted(history, key=lambda one: (one.name, one.since_version)):
        if declared.deprecated or declared.name in _BODIES:
            continue
        for letter, kind in LETTERS.items():
            since = declared.since_version
            ends = min(
                (
                    one.since_version
                    for one in history
                    if one.name == declared.name and one.since_version > since
                ),
                default=99,
            )
            opset = max(since, _FIRST_OPSET)
            model = _standard(declared.name, opset, kind) if opset < ends else None
            if model is not None:
                yield declared.name, since, letter, model
    for name, (slots, outs, attributes) in sorted(_OWN.items()):
        domain = "" if name == "SimplifiedLayerNormalization" else "com.microsoft"
        for letter, kind in LETTERS.items():
            number = _NUMBERS[f"tensor({kind})"]
            inputs: list[int | None] = [
                None if slot == "" else number if slot == "T" else _NUMBERS[f"tensor({slot})"]
                for slot in slots
            ]
            shown = f"{domain}::{name}" if domain else name
            model = _model(name, domain, 21, (inputs, [number] * outs), attributes)
            yield shown, 1, letter, model


def main() -> None:
    """Write the models."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("folder", type=Path)
    folder: Path = parser.parse_args().folder
    folder.mkdir(parents=True, exist_ok=True)
    index = []
    for operator, since, letter, model in _cases():
        file = f"{operator.replace('::', '.')}-{since}-{letter}.onnx"
        (folder / file).write_bytes(model.SerializeToString())
        index.append({"operator": operator, "since": since, "letter": letter, "file": file})
    (folder / "index.json").write_text(json.dumps(index, indent=1), encoding="utf-8")
    print(f"{len(index)} models in {folder}")


if __name__ == "__main__":
    main()
