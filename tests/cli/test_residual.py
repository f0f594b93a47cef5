"""Rescaled residual streams give the same numbers as before, whatever the model's family."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import onnx
import onnxruntime as ort
import pytest
from onnx import TensorProto, helper, numpy_helper
from program import run, save

WIDTH, INNER, VOCABULARY = 64, 96, 50
OPSETS = [helper.make_opsetid("", 21), helper.make_opsetid("com.microsoft", 1)]
IDS = np.array([[3, 14, 15, 9, 26, 5]], np.int64)


class Stream:
    """A decoder's skeleton, made node by node: an embedding, branches with weights, a head."""

    def __init__(self, norm: str, tied: bool = False, seed: int = 0) -> None:
        self.random = np.random.default_rng(seed)
        self.norm_op = norm
        self.nodes: list[onnx.NodeProto] = []
        self.tensors: list[TensorProto] = []
        self.tied = tied
        self.table = self.weight("table", VOCABULARY, WIDTH)
        self.value = self.add("Gather", self.table, "ids")

    def weight(self, name: str, *shape: int, scale: float = 0.3) -> str:
        """Add an initializer with random values."""
        values = self.random.normal(0, scale, shape).astype(np.float32)
        self.tensors.append(numpy_helper.from_array(values, name))
        return name

    def constant(self, name: str, value: object, dtype: type = np.float32) -> str:
        """Add an initializer with the given value."""
        self.tensors.append(numpy_helper.from_array(np.array(value, dtype), name))
        return name

    def add(self, op: str, *inputs: str, domain: str = "", **attributes: Any) -> str:
        """Add a node and return the name of its output."""
        name = f"v{len(self.nodes)}"
        self.nodes.append(
            helper.make_node(op, list(inputs), [name], name, domain=domain, **attributes)
        )
        return name

    def norm(self, value: str) -> str:
        """Normalize, as one operator or spelt out."""
        gain = self.weight(f"gain{len(self.nodes)}", WIDTH, scale=1)
        if self.norm_op == "LayerNormalization":
            beta = self.weight(f"beta{len(self.nodes)}", WIDTH)
            return self.add(self.norm_op, value, gain, beta, epsilon=1e-3)
        if self.norm_op != "decomposed":
            return self.add(self.norm_op, value, gain, axis=-1, epsilon=1e-3)
        number = len(self.nodes)
        square = self.add("Pow", value, self.constant(f"two{number}", 2.0))
        mean = self.add("ReduceMean", square, self.constant(f"axis{number}", [-1], np.int64))
        shifted = self.add("Add", mean, self.constant(f"eps{number}", 1e-3))
        root = self.add("Sqrt", shifted)
        inverse = self.add("Div", self.constant(f"one{number}", 1.0), root)
        return self.add("Mul", self.add("Mul", value, inverse), gain)

    def branch(self, value: str, bias: bool = False) -> str:
        """Make a gated branch with weights, which ends in a projection to the stream."""
        number = len(self.nodes)
        up = self.add("MatMul", value, self.weight(f"up{number}", WIDTH, INNER))
        gate = self.add("Sigmoid", up)
        gated = self.add("Mul", up, gate)
        if bias:
            weight = self.weight(f"down{number}", INNER, WIDTH)
            down = self.add("MatMul", gated, weight)
            return self.add("Add", down, self.weight(f"bias{number}", WIDTH))
        return self.add("MatMul", gated, self.weight(f"down{number}", INNER, WIDTH))

    def layers(self, bias: bool = False, post_norm: bool = False) -> "Stream":
        """Add three layers with pre-norms and, on request, post-norms."""
        for _ in range(3):
            branch = self.branch(self.norm(self.value), bias)
            self.value = self.add("Add", self.value, self.norm(branch) if post_norm else branch)
        self.value = self.norm(self.value)
        return self

    def normed_layers(self) -> "Stream":
        """Add three layers that normalize each sum before anything else reads it."""
        for _ in range(3):
            self.value = self.norm(self.add("Add", self.branch(self.value, True), self.value))
        return self

    def skip_layers(self, op: str) -> "Stream":
        """Add three layers whose sums stand in Skip… norms."""
        normed = self.norm(self.value)
        for i in range(3):
            branch = self.branch(normed)
            inputs = [self.value, branch, self.weight(f"skip{i}", WIDTH, scale=1)]
            if op == "SkipLayerNormalization":
                inputs += [
                    self.weight(f"skip_beta{i}", WIDTH),
                    self.weight(f"shift{i}", WIDTH),
                ]
            normed, self.value = f"normed{i}", f"sum{i}"
            outputs = [normed, "", "", self.value]
            node = helper.make_node(op, inputs, outputs, f"skip{i}", domain="com.microsoft")
            node.attribute.append(helper.make_attribute("epsilon", 1e-3))
            self.nodes.append(node)
        self.value = normed
        return self

    def model(self) -> onnx.ModelProto:
        """Close the graph with the head."""
        if self.tied:
            head = self.add("Transpose", self.table, perm=[1, 0])
        else:
            head = self.weight("head", WIDTH, VOCABULARY)
        self.nodes.append(helper.make_node("MatMul", [self.value, head], ["logits"], "head"))
        graph = helper.make_graph(
            self.nodes,
            "stream",
            [helper.make_tensor_value_info("ids", TensorProto.INT64, [1, "s"])],
            [helper.make_tensor_value_info("logits", TensorProto.FLOAT, [1, "s", VOCABULARY])],
            self.tensors,
        )
        return helper.make_model(graph, opset_imports=OPSETS, ir_version=10)


def _gemma() -> onnx.ModelProto:
    stream = Stream("SimplifiedLayerNormalization", tied=True)
    stream.value = stream.add("Mul", stream.value, stream.constant("root", 8.0))
    return stream.layers(post_norm=True).model()


FAMILIES: dict[str, Callable[[], onnx.ModelProto]] = {
    "gemma": _gemma,
    "llama": lambda: Stream("SimplifiedLayerNormalization").layers().model(),
    "qwen, tied": lambda: Stream("SimplifiedLayerNormalization", tied=True).layers(True).model(),
    "t5": lambda: Stream("decomposed", tied=True).layers().model(),
    "gpt2": lambda: Stream("LayerNormalization", tied=True).layers(bias=True).model(),
    "bert": lambda: Stream("LayerNormalization", tied=True).normed_layers().model(),
    "skip": lambda: (
        Stream("SimplifiedLayerNormalization")
        .skip_layers("SkipSimplifiedLayerNormalization")
        .model()
    ),
    "skip with mean": lambda: (
        Stream("LayerNormalization").skip_layers("SkipLayerNormalization").model()
    ),
}


def _policy(folder: Path, residual: str, output: str = "fp32", compute: str = "float32") -> Path:
    path = folder / "p.yaml"
    path.write_text(
        "policy: 1\nname: p\noutputs:\n"
        f"  {output}: {{compute: {compute}, weights: {compute}, io: float32, "
        f"residual: {residual}}}\n"
    )
    return path


def _logits(path: Path) -> npt.NDArray[np.float32]:
    options = ort.SessionOptions()
    # Fusions would compute the two models in different orders.
    options.graph_optimization_level = ort.GraphOptimizationLevel.ORT_DISABLE_ALL
    session = ort.InferenceSession(str(path), options, providers=["CPUExecutionProvider"])
    logits: npt.NDArray[np.float32] = session.run(None, {"ids": IDS})[0]
    return logits


def _convert(model: Path, policy: Path, name: str = "model.onnx") -> Path:
    folder = model.parent / "out"
    done = run("--policy", policy, "-o", folder, "--force", model)
    assert done.returncode == 0, done.stderr
    return folder / name


@pytest.mark.parametrize("family", FAMILIES)
def test_a_rescaled_float32_model_gives_the_same_bits(family: str, tmp_path: Path) -> None:
    model = save(FAMILIES[family](), tmp_path)
    expected = _logits(model)
    assert np.ptp(expected) > 1
    converted = _convert(model, _policy(tmp_path, "{rescale: 6}"))
    assert np.array_equal(_logits(converted), expected)


def _values(path: Path) -> dict[str, float]:
    """Return the peak of every float value of a model, measured."""
    model = onnx.load(path)
    typed = onnx.shape_inference.infer_shapes(model).graph.value_info
    floats = {v.name for v in typed if v.type.tensor_type.elem_type == TensorProto.FLOAT}
    made = [o for n in model.graph.node for o in n.output if o and o not in {"logits"}]
    # ONNX does not know ONNX Runtime's own operators: their outputs here are all float.
    custom = {o for n in model.graph.node if n.domain for o in n.output if o}
    custom |= {
        o for n in model.graph.node if n.op_type == "SimplifiedLayerNormalization" for o in n.output
    }
    names = [name for name in made if name in floats | custom or name.startswith("v")]
    for name in names:
        model.graph.output.append(helper.make_tensor_value_info(name, TensorProto.FLOAT, None))
    session = ort.InferenceSession(model.SerializeToString(), providers=["CPUExecutionProvider"])
    results = session.run(names, {"ids": IDS})
    return {name: float(np.abs(r).max()) for name, r in zip(names, results, strict=True)}


@pytest.mark.parametrize("family", FAMILIES)
def test_the_stream_itself_is_scaled(family: str, tmp_path: Path) -> None:
    """Every sum becomes 64 times smaller: the check above would also hold if nothing was done."""
    model = save(FAMILIES[family](), tmp_path)
    before = _values(model)
    after = _values(_convert(model, _policy(tmp_path, "{rescale: 6}")))
    adds = [
        o
        for n in onnx.load(model).graph.node
        for o in n.output
        if o.startswith("sum") or (n.op_type == "Add" and before.get(o, 0) > 0)
    ]
    scaled = [name for name in adds if before[name] == after[name] * 64]
    assert len(scaled) >= 3


def test_four_bit_weights_of_the_input_are_scaled_through_their_scales(
    tmp_path: Path,
) -> None:
    model = save(FAMILIES["qwen, tied"](), tmp_path)
    four_bit = tmp_path / "four"
    four_bit.mkdir()
    done = run("--policy", "q4", "-o", four_bit, model)
    assert done.returncode == 0, done.stderr
    quantized = four_bit / "model_q4.onnx"
    assert any(n.op_type == "MatMulNBits" for n in onnx.load(quantized).graph.node)
    converted = _convert(quantized, _policy(tmp_path, "{rescale: 6}"))
    assert np.array_equal(_logits(converted), _logits(quantized))
    nodes = onnx.load(converted).graph.node
    assert sum(n.op_type == "Mul" and n.name.endswith("_scaled/Mul") for n in nodes) == 1


@pytest.mark.parametrize("family", FAMILIES)
def test_a_rescaled_float16_model_agrees_and_is_as_exact_as_one_that_is_not(
    family: str, tmp_path: Path
) -> None:
    model = save(FAMILIES[family](), tmp_path)
    expected = _logits(model)
    errors = []
    for residual in ("{rescale: 4}", "float32"):
        policy = _policy(tmp_path, residual, "fp16", "float16")
        found = _logits(_convert(model, policy, "model_fp16.onnx"))
        errors.append(np.abs(found - expected).max() / np.abs(expected).max())
    assert 0 < errors[0] < 0.02
    assert errors[0] < 4 * errors[1]


def test_auto_takes_its_scale_from_measured_ranges(tmp_path: Path) -> None:
    model = save(FAMILIES["llama"](), tmp_path)
    policy = _policy(tmp_path, "{rescale: auto}", "fp16", "float16")
    refused = run("plan", "--policy", policy, model)
    assert refused.returncode == 3
    assert "no bound on" in refused.stderr
    assert "--ranges FILE" in refused.stderr
    ranges = tmp_path / "ranges.json"
    peaks = _values(model)
    ranges.write_text(json.dumps({"values": {n: {"peak": 1e4 * p} for n, p in peaks.items()}}))
    done = run("plan", "--json", "--policy", policy, "--ranges", ranges, model)
    assert done.returncode == 0, done.stderr
    limit = (65504 * WIDTH) ** 0.5
    top = max(
        1e4 * peaks[o] for n in onnx.load(model).graph.node if n.op_type == "Add" for o in n.output
    )
    k = int(np.ceil(np.log2(1.5 * top / limit)))
    assert k > 0
    assert f"2^-{k} (measured peak" in json.loads(done.stdout)["outputs"][0]["residual"]


def test_auto_needs_no_ranges_where_norms_bound_the_stream(tmp_path: Path) -> None:
    model = save(FAMILIES["gemma"](), tmp_path)
    policy = _policy(tmp_path, "{rescale: auto}", "fp16", "float16")
    done = run("plan", "--json", "--policy", policy, model)
    assert "bound from the weights" in json.loads(done.stdout)["outputs"][0]["residual"]
    bound = float(done.stdout.split("bound from the weights ")[1].split(",")[0])
    stream = [v for k, v in _values(model).items() if k in _stream(model)]
    assert max(stream) <= bound < 50 * max(stream)


def _stream(model: Path) -> set[str]:
    return {o for n in onnx.load(model).graph.node if n.op_type == "Add" for o in n.output}


def test_ranges_of_another_model_or_none_at_all_are_refused(tmp_path: Path) -> None:
    model = save(FAMILIES["llama"](), tmp_path)
    policy = _policy(tmp_path, "{rescale: auto}", "fp16", "float16")
    ranges = tmp_path / "ranges.json"
    for text, message in (
        ('{"values": {"other": {"peak": 3}}}', "holds no peak of 'v0'"),
        ("{}", "found no object 'values'"),
        ("nonsense", "is not valid JSON"),
    ):
        ranges.write_text(text)
        done = run("plan", "--policy", policy, "--ranges", ranges, model)
        assert done.returncode == 1
        assert f"{ranges}:" in done.stderr
        assert message in done.stderr
    done = run("plan", "--policy", policy, "--ranges", tmp_path / "missing.json", model)
    assert done.returncode == 1
    assert "missing.json: the file of ranges cannot be read" in done.stderr


def test_a_stream_that_a_projection_reads_is_refused_with_the_reader(
    tmp_path: Path,
) -> None:
    stream = Stream("SimplifiedLayerNormalization").layers()
    stream.value = next(n.output[0] for n in reversed(stream.nodes) if n.op_type == "Add")
    model = save(stream.model(), tmp_path)
    done = run("plan", "--policy", _policy(tmp_path, "{rescale: 5}"), model)
    assert done.returncode == 2
    assert f"'{stream.value}' of the residual stream is read by node 'head' (MatMul)" in done.stderr
    assert "'residual: float32'" in done.stderr


def test_clipped_sums_stay_within_the_limit(tmp_path: Path) -> None:
    model = save(FAMILIES["llama"](), tmp_path)
    top = max(_values(model)[name] for name in _stream(model))
    limit = top / 2
    converted = _convert(model, _policy(tmp_path, f"{{clip: {limit}}}"))
    after = _values(converted)
    sums = [after[name] for name in _stream(model) if name in after]
    assert max(sums) <= np.float32(limit)
    clips = [n for n in onnx.load(converted).graph.node if n.op_type == "Clip"]
    assert len(clips) == 3
    plan = run("plan", "--policy", tmp_path / "p.yaml", model)
    assert "3 sums of the residual stream clipped" in plan.stdout
