"""Making a float32 model one of another float type: all its floats, Casts where a schema asks."""

import numpy as np
import onnx
import onnxruntime as ort
import pytest
from onnx import TensorProto, numpy_helper
from onnxquant_tools.element_types import Kind, element_types, float_types
from onnxquant_tools.retyping import TYPES, UnretypableError, retyped, rounded_weights
from onnxquant_tools.walking import all_nodes

MODEL = """<ir_version: 10, opset_import: ["" : 21]>
g (float[2] x, bool c) => (float[2] y, int64[1] s)
   <float[2] w = {1.001, 2}>
{
   [first] a = Mul (x, w)
   [second] d = Exp (a)
   half = Constant <value_float = 0.1> ()
   s = Shape (d)
   fill = ConstantOfShape (s)
   e = Add (d, fill)
   z = IsInf (e)
   t = Cast <to = 1> (z)
   [branch] y = If (c) <
      then_branch = t () => (float[2] p) { [inner] q = Mul (e, half)  p = Add (q, t) },
      else_branch = e () => (float[2] r) { r = Neg (e) }
   >
}"""
SEQUENCE = """<ir_version: 10, opset_import: ["" : 21]>
g (float[2] x) => (float[2] y)
{
   s = SequenceConstruct (x, x)
   zero = Constant <value = int64 {0}> ()
   y = SequenceAt (s, zero)
}"""


def _parse(text: str) -> onnx.ModelProto:
    return onnx.parser.parse_model(text)


def _operators(model: onnx.ModelProto) -> list[str]:
    return [node.op_type for node in model.graph.node]


@pytest.mark.parametrize("name", TYPES)
def test_all_floats_of_a_model_get_the_type_and_it_is_valid(name: str) -> None:
    model = _parse(MODEL)
    model.graph.node[6].op_type = "IsNaN"  # takes any float
    made, count = retyped(model, name)
    onnx.checker.check_model(made, full_check=True)
    assert float_types(made) == {TYPES[name][0]}
    assert _operators(made) == _operators(model)
    # Each reads or makes a float.
    assert count == sum(1 for _ in all_nodes(made.graph))


def test_a_parameter_that_the_type_is_kept_from_stands_behind_a_cast() -> None:
    made, _ = retyped(_parse(MODEL.replace(": 21", ": 19")), "bfloat16")
    onnx.checker.check_model(made, full_check=True)
    nodes = list(made.graph.node)
    (test,) = (node for node in nodes if node.op_type == "IsInf")
    (cast,) = (node for node in nodes if node.output[0] == test.input[0])
    assert (cast.op_type, cast.attribute[0].i) == ("Cast", TensorProto.FLOAT)


def test_kept_nodes_compute_in_float32_between_casts() -> None:
    made, _ = retyped(_parse(MODEL), "float16", {"first", "branch"})
    onnx.checker.check_model(made, full_check=True)
    assert _operators(made)[:4] == ["Cast", "Cast", "Mul", "Cast"]
    kinds = element_types(made)[0]
    assert kinds[made.graph.node[2].output[0]] == Kind(TensorProto.FLOAT)
    assert kinds["a"] == kinds["y"] == Kind(TensorProto.FLOAT16)


def test_the_twin_has_the_numbers_of_the_retyped_model() -> None:
    model = _parse(MODEL)
    feeds = {"x": np.array([1.0, -2.0]), "c": np.array(True)}
    results = {}
    for name, made in {
        "source": retyped(model, "float64")[0],
        "twin": rounded_weights(model, "float64"),
        "bfloat16 twin": rounded_weights(model, "bfloat16"),
    }.items():
        session = ort.InferenceSession(made.SerializeToString())
        wide = session.get_inputs()[0].type == "tensor(double)"
        x = feeds["x"].astype(np.float64 if wide else np.float32)
        results[name] = session.run(["y"], {"x": x, "c": feeds["c"]})[0]
    assert results["source"].dtype == np.float64
    assert np.allclose(results["source"], results["twin"], rtol=1e-6, atol=0)
    assert not np.allclose(results["bfloat16 twin"], results["twin"], rtol=1e-4, atol=0)


def test_weights_are_rounded_to_the_type() -> None:
    made, _ = retyped(_parse(MODEL), "bfloat16")
    weight = numpy_helper.to_array(made.graph.initializer[0]).astype(np.float64)
    assert weight.tolist() == [1.0, 2.0]


def test_a_sequence_gets_the_type_where_operators_on_sequences_know_it() -> None:
    for name, operators in {
        "float16": ["SequenceConstruct", "Constant", "SequenceAt"],
        "bfloat16": ["Cast", "Cast", "SequenceConstruct", "Constant", "SequenceAt", "Cast"],
    }.items():
        made, _ = retyped(_parse(SEQUENCE), name)
        onnx.checker.check_model(made, full_check=True)
        assert _operators(made) == operators


def test_a_body_of_an_operator_that_does_not_know_the_type_is_refused() -> None:
    model = _parse(MODEL)
    model.opset_import[0].version = 13
    with pytest.raises(UnretypableError, match="If takes no bfloat16"):
        retyped(model, "bfloat16")


def test_the_models_own_functions_take_any_type() -> None:
    text = """<ir_version: 10, opset_import: ["" : 21, "local" : 1]>
    g (float[2] x) => (float[2] y) { y = local.twice (x) }
    <domain: "local", opset_import: ["" : 21]>
    twice (a) => (b) { b = Add (a, a) }"""
    made, count = retyped(_parse(text), "float16")
    onnx.checker.check_model(made, full_check=True)
    assert (_operators(made), count) == (["twice"], 1)


def test_a_tensor_of_an_operator_of_onnx_runtime_has_its_inputs_type() -> None:
    text = """<ir_version: 10, opset_import: ["" : 21, "com.microsoft" : 1]>
    g (float[2] x) => (float[2] y) { a = com.microsoft.QuickGelu (x)  y = Neg (a) }"""
    made, _ = retyped(_parse(text), "float16")
    assert element_types(made)[0]["a"] == Kind(TensorProto.FLOAT16)
    assert _operators(made) == ["QuickGelu", "Neg"]
