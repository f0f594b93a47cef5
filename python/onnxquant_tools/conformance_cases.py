"""The models of ONNX's own backend tests with their inputs, as the package `onnx` carries them.

Five kinds: `node` (one operator each, and the functions that operators expand to), `simple`,
`pytorch-operator`, `pytorch-converted`, and `light` (vision networks whose weights are constants
made by ConstantOfShape). All but `light` come with inputs; those of `light` are drawn here.
"""

import dataclasses
import functools
import os
import re
import warnings
import zlib
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import onnx
from onnx import numpy_helper
from onnx.backend.test import loader

from onnxquant_tools.conformance_groups import group_of

DATA = Path(loader.DATA_DIR)
# The last that ONNX Runtime 1.30 reads. Nothing that these models use came with a later IR version,
# and few of them use what is new in a later opset: see _lowered.
LAST_IR_VERSION = 13
LAST_OPSET = 26
KINDS = ("node", "simple", "pytorch-operator", "pytorch-converted", "light")


@dataclass(frozen=True)
class Case:
    """A test model, and the inputs it is run on.

    `operator` is what the model tests; an expanded function has the operator that it stands for.
    `data` holds one list of inputs for each run: arrays, lists of arrays (sequences), or None.
    """

    name: str
    kind: str
    operator: str
    model: onnx.ModelProto
    data: list[list[Any]]

    @property
    def group(self) -> str:
        """Return the group of operators that the case counts for."""
        return group_of(self.kind, self.operator)

    @property
    def seed(self) -> int:
        """Return a number that depends on the name alone."""
        return zlib.crc32(self.name.encode())


def _operator(model: onnx.ModelProto) -> str:
    """Return the operator of the most interesting node: the first that is no Constant."""
    names = [node.op_type for node in model.graph.node if node.op_type != "Constant"]
    return names[0] if names else "Constant"


def _read(path: Path, kind: onnx.TypeProto) -> Any:
    data = path.read_bytes()
    if kind.HasField("sequence_type"):
        return numpy_helper.to_list(onnx.SequenceProto.FromString(data))
    if kind.HasField("optional_type"):
        return numpy_helper.to_optional(onnx.OptionalProto.FromString(data))
    return numpy_helper.to_array(onnx.TensorProto.FromString(data))


def _node_cases() -> list[Case]:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # the tests' authors divide by zero on purpose
        loaded = loader.load_model_tests(kind="node")
    operators = {test.name: _operator(test.model) for test in loaded if test.model}
    cases = []
    for test in loaded:
        assert test.model is not None and test.data_sets is not None
        base = re.sub(r"_expanded(_ver\d+)?$", "", test.name)
        operator = operators.get(base, operators[test.name])
        data = [[_plain(value) for value in inputs] for inputs, _ in test.data_sets]
        cases.append(Case(test.name, "node", operator, test.model, data))
    return cases


def _plain(value: Any) -> Any:
    return numpy_helper.to_array(value) if isinstance(value, onnx.TensorProto) else value


def _stored_cases(kind: str) -> list[Case]:
    cases = []
    for folder in sorted((DATA / kind).glob("*/model.onnx")):
        model = onnx.load(folder)
        known = {tensor.name for tensor in model.graph.initializer}
        inputs = [value for value in model.graph.input if value.name not in known]
        data = [
            [_read(runs / f"input_{index}.pb", value.type) for index, value in enumerate(inputs)]
            for runs in sorted(folder.parent.glob("test_data_set_*"))
        ]
        name = f"{kind}/{folder.parent.name}"
        cases.append(Case(name, kind, _operator(model), model, data))
    return cases


def _light_cases() -> list[Case]:
    cases = []
    for path in sorted((DATA / "light").glob("*.onnx")):
        model = onnx.load(path)
        known = {tensor.name for tensor in model.graph.initializer}
        random = np.random.default_rng(zlib.crc32(path.name.encode()))
        data = []
        for value in model.graph.input:
            if value.name not in known:
                shape = [max(1, size.dim_value) for size in value.type.tensor_type.shape.dim]
                data.append(random.uniform(0, 1, shape).astype(np.float32))
        cases.append(Case(f"light/{path.stem}", "light", "network", model, [data]))
    return cases


def _lowered(model: onnx.ModelProto) -> onnx.ModelProto:
    """Return a model of a version that ONNX Runtime reads, if it is valid with that version.

    ONNX is often ahead of ONNX Runtime by an opset, in which most operators gain types alone.
    """
    model.ir_version = min(model.ir_version, LAST_IR_VERSION)
    if all(item.domain or item.version <= LAST_OPSET for item in model.opset_import):
        return model
    lower = onnx.ModelProto()
    lower.CopyFrom(model)
    for item in lower.opset_import:
        if not item.domain:
            item.version = min(item.version, LAST_OPSET)
    try:
        onnx.checker.check_model(lower, full_check=True)
    except (onnx.checker.ValidationError, onnx.shape_inference.InferenceError):
        return model
    return lower


@functools.cache
def load_cases() -> list[Case]:
    """Return every case, in an order that does not change: about 2000, in 6 seconds."""
    cases = _node_cases() + _light_cases()
    for kind in KINDS[1:4]:
        cases += _stored_cases(kind)
    cases = [dataclasses.replace(case, model=_lowered(case.model)) for case in cases]
    return sorted(cases, key=lambda case: case.name)


def processes() -> int:
    """Return how many processes may work at once."""
    return len(os.sched_getaffinity(0))
