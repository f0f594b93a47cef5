"""Which types each input and output of an operator takes, as ONNX or ONNX Runtime declares it."""

import contextlib
import functools
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import onnx
from onnxruntime.capi import onnxruntime_pybind11_state as runtime

_ONNX = ("", "ai.onnx", "ai.onnx.ml", "ai.onnx.preview.training")


@dataclass(frozen=True)
class Parameter:
    """An input or output: the types it takes; those that share a variable have one type."""

    variable: str
    types: frozenset[str]


@dataclass(frozen=True)
class Schema:
    """An operator's parameters by position; a variadic last one stands for all that follow."""

    inputs: tuple[Parameter, ...]
    outputs: tuple[Parameter, ...]


@functools.cache
def _of_runtime() -> dict[tuple[str, str], Any]:
    return {(item.domain, item.name): item for item in runtime.get_all_operator_schema()}


@functools.cache
def schema_of(domain: str, operator: str, opset: int) -> Schema | None:
    """Return an operator's schema at an opset of its domain, or nothing if nobody declares it."""
    found: Any = None
    if domain in _ONNX:
        with contextlib.suppress(onnx.defs.SchemaError):
            found = onnx.defs.get_schema(operator, opset, domain)
    found = found or _of_runtime().get((domain, operator))
    if found is None:
        return None
    variables = {item.type_param_str: item.allowed_type_strs for item in found.type_constraints}

    def parameters(items: Sequence[Any]) -> tuple[Parameter, ...]:
        texts = [item.type_str if hasattr(item, "type_str") else item.typeStr for item in items]
        return tuple(Parameter(text, frozenset(variables.get(text, [text]))) for text in texts)

    return Schema(parameters(found.inputs), parameters(found.outputs))


def parameter(parameters: tuple[Parameter, ...], position: int) -> Parameter | None:
    """Return the parameter of a position; a variadic one stands last."""
    return parameters[min(position, len(parameters) - 1)] if parameters else None
