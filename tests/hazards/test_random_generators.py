"""Random generators in a model: what they make has a type, which must fit its readers."""

from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
from judging import Array, Judge, build, normal
from onnxquant_tools.conformance_runtime import load, run

# Policies of the program, and one whose inputs and outputs are float16 too.
POLICIES = pytest.mark.parametrize("policy", ["fp16", "half-io", "repair", "bf16"])
HALF_IO = """policy: 1
name: half-io
outputs:
  fp16: {compute: float16, weights: float16, io: float16, constants: {overflow: clamp}}
"""
OTHERS = "match: {op: [Mul, MatMul, Exp, Sigmoid, Add]}, compute: float32"
ROWS = 400
OPSETS = pytest.mark.parametrize("opset", [13, 21])


def _converted(judge: Judge, model: onnx.ModelProto, policy: str, folder: Path) -> Any:
    """Return a session of a converted model on ONNX Runtime's CPU provider.

    That has hardly any kernels for bfloat16: there the file that runs keeps all but the
    generators in float32, and the one that does not is checked.
    """
    load(model.SerializeToString())
    if policy == "half-io":
        path = folder / "half-io.yaml"
        path.write_text(HALF_IO)
        return load(str(judge.convert(model, "fp16", "--policy", str(path))))
    if policy == "bf16":
        onnx.checker.check_model(str(judge.convert(model, "bf16")), full_check=True)
        return load(str(judge.convert(model, "bf16", "--policy", "bf16", "--set", OTHERS)))
    return load(str(judge.convert(model, "fp16", "--policy", policy, "--dtype", "fp16")))


def _checked(session: Any, x: Array, mean: float, spread: float) -> None:
    y = np.asarray(run(session, {"x": x})["y"], np.float64)
    assert y.shape == x.shape
    assert np.isfinite(y).all()
    assert np.mean(y) == pytest.approx(mean, abs=0.1)
    assert np.std(y) == pytest.approx(spread, rel=0.1)


@POLICIES
@OPSETS
@pytest.mark.parametrize(
    ("generator", "mean", "spread"),
    [
        (f"RandomNormal<shape = [{ROWS}, 8], mean = 2.0, scale = 3.0, seed = 1.0>()", 2, 3),
        (f"RandomNormal<shape = [{ROWS}, 8], dtype = 1, seed = 1.0>()", 0, 1),
        (f"RandomUniform<shape = [{ROWS}, 8], low = -1.0, high = 5.0, seed = 2.0>()", 2, 1.732),
        ("RandomNormalLike<seed = 3.0>(x)", 0, 1),
        ("RandomNormalLike<dtype = 1, scale = 2.0, seed = 3.0>(h)", 0, 2),
        ("RandomUniformLike<low = -2.0, high = 2.0, seed = 4.0>(h)", 0, 1.155),
        ("RandomUniformLike<dtype = 1, seed = 4.0>(x)", 0.5, 0.289),
    ],
    ids=["normal", "typed", "uniform", "like_input", "like_inner", "range_like", "unit_like"],
)
def test_noise_adds_to_what_a_model_computes(
    judge: Judge,
    tmp_path: Path,
    policy: str,
    opset: int,
    generator: str,
    mean: float,
    spread: float,
) -> None:
    model = build(
        f"""g (float[{ROWS},8] x) => (float[{ROWS},8] y) <float small = {{0.001}}> {{
          h = Mul(x, small)
          noise = {generator}
          y = Add(noise, h)
        }}""",
        opset=opset,
    )
    session = _converted(judge, model, policy, tmp_path)
    _checked(session, normal(5, ROWS, 8), mean, spread)


@POLICIES
@OPSETS
def test_a_sample_of_a_latent_distribution_runs(
    judge: Judge, tmp_path: Path, policy: str, opset: int
) -> None:
    """A variational autoencoder: noise times a deviation plus a mean."""
    model = build(
        f"""g (float[{ROWS},8] x) => (float[{ROWS},8] y) <float half = {{0.5}}> {{
          mean = MatMul(x, w)
          logvar = MatMul(x, v)
          part = Mul(logvar, half)
          deviation = Exp(part)
          noise = RandomNormalLike<seed = 7.0>(deviation)
          scaled = Mul(noise, deviation)
          y = Add(mean, scaled)
        }}""",
        opset=opset,
        w=np.zeros((8, 8)),
        v=np.zeros((8, 8)),
    )
    _checked(_converted(judge, model, policy, tmp_path), normal(5, ROWS, 8), 0, 1)


@POLICIES
@pytest.mark.parametrize("opset", [15, 21])
@pytest.mark.parametrize(
    "attributes", ["<seed = 5.0>", "<dtype = 1, seed = 5.0>"], ids=["untyped", "typed"]
)
def test_a_choice_by_probability_runs(
    judge: Judge, tmp_path: Path, policy: str, opset: int, attributes: str
) -> None:
    """A dropout that is left on: zeros and ones of a probability, times what they drop."""
    model = build(
        f"""g (float[{ROWS},8] x) => (float[{ROWS},8] y) {{
          kept = Sigmoid(x)
          chosen = Bernoulli{attributes}(kept)
          y = Mul(chosen, kept)
        }}""",
        opset=opset,
    )
    session = _converted(judge, model, policy, tmp_path)
    _checked(session, np.zeros((ROWS, 8), np.float32), 0.25, 0.25)


@POLICIES
@OPSETS
@pytest.mark.parametrize("kind", ["", ", dtype = 7"], ids=["untyped", "int64"])
def test_a_token_drawn_from_logits_runs(
    judge: Judge, tmp_path: Path, policy: str, opset: int, kind: str
) -> None:
    model = build(
        f"""g (float[N,8] x) => (float[N,8] logits, {"int64" if kind else "int32"}[N,1000] y) {{
          logits = MatMul(x, w)
          y = Multinomial<sample_size = 1000, seed = 3.0{kind}>(logits)
        }}""",
        opset=opset,
        w=np.eye(8) * 2,
    )
    session = _converted(judge, model, policy, tmp_path)
    x = np.zeros((2, 8), np.float32)
    x[:, 3] = 1
    found = run(session, {"x": x})["y"]
    assert found.dtype == (np.int64 if kind else np.int32)
    share = np.exp(2) / (np.exp(2) + 7)
    assert np.mean(found == 3) == pytest.approx(share, abs=0.05)
