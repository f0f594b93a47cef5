"""Half-precision files that are broken are mended by converting them again, and right ones kept.

Each file of onnxquant_tools.broken_models is made of the real Gemma 3 270M and converted as a user
would who has nothing but that file: float16 with gemma-safe, and 4 bits with gemma-web, which
`check` recommends.
"""

import shutil
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import onnx
import pytest
from node_types import NodeTypes, Typed, assert_same_model, assert_same_types, node_types
from onnxquant_tools.broken_models import KINDS
from onnxquant_tools.compare_logits import compare, default_tokens
from onnxquant_tools.initializers import read_initializers
from onnxquant_tools.near_ties import NEAR_TIE, distances
from real_model import CONTINUATION, PROMPT, Breaking, Convert, Generate

POLICIES = {"fp16": "gemma-safe", "q4f16": "gemma-web"}
FP16 = [kind for kind, broken in KINDS.items() if broken.dtype == "fp16"]
Q4F16 = [kind for kind, broken in KINDS.items() if broken.dtype == "q4f16"]
TOKENS = 256


@dataclass(frozen=True)
class Repaired:
    """A broken file and the folder of what the program made of it."""

    kind: str
    broken: Path
    folder: Path

    @property
    def policy(self) -> str:
        """Return what it was converted with."""
        return POLICIES[KINDS[self.kind].dtype]

    @property
    def model(self) -> Path:
        """Return the file of the source's own dtype, which has the source's name."""
        return self.folder / self.broken.name


def _run(binary: Path, policy: str, source: Path, folder: Path) -> None:
    command = [str(binary), "--policy", policy, str(source), "-o", str(folder)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode != 0:
        pytest.fail(f"{' '.join(command)}: exit {done.returncode}\n{done.stderr}", False)


@pytest.fixture(scope="module")
def repaired(
    request: pytest.FixtureRequest, binary: Path, broken: Breaking, scratch: Path
) -> Iterator[Repaired]:
    """Return the repair of the kind that the parameter names; it goes away after its tests."""
    kind = request.param
    folder = scratch / "repaired" / kind
    made = Repaired(kind, broken(kind), folder)
    _run(binary, made.policy, made.broken, folder)
    yield made
    shutil.rmtree(folder)
    shutil.rmtree(made.broken.parent)  # no other test reads it after these


def of_kinds(kinds: list[str]) -> pytest.MarkDecorator:
    """Give a test the repairs of these kinds, each made once for all tests of this file."""
    return pytest.mark.parametrize("repaired", kinds, indirect=True, scope="module")


@of_kinds(list(KINDS))
def test_the_one_file_of_the_sources_dtype_is_written_under_the_sources_name(
    repaired: Repaired,
) -> None:
    name = f"model_{KINDS[repaired.kind].dtype}.onnx"
    assert sorted(path.name for path in repaired.folder.iterdir() if "json" not in path.name) == [
        name,
        f"{name}_data",
    ]


@of_kinds(list(KINDS))
def test_a_repaired_file_answers_on_webgpu_as_float32_does(
    repaired: Repaired, generate: Generate
) -> None:
    run = generate(repaired.model, "webgpu")
    assert (run["nan"], run["inf"]) == (0, 0)
    if repaired.kind in FP16:
        assert run["text"] == CONTINUATION
    else:  # with a head in 8 bits the first choices are near ties
        assert max(distances(repaired.model, PROMPT, run["tokens"])) < NEAR_TIE


@of_kinds(list(KINDS))
def test_no_value_of_a_repaired_file_is_clamped(repaired: Repaired) -> None:
    nodes = onnx.load(repaired.model, load_external_data=False).graph.node
    assert [node.name for node in nodes if node.op_type == "Clip"] == []


@of_kinds(FP16)
def test_a_repaired_float16_file_diverges_from_float32_by_less_than_a_hundred_thousandth_of_a_nat(
    repaired: Repaired, gemma: Path
) -> None:
    (result,) = compare(gemma, [repaired.model], default_tokens()[:TOKENS])
    figures = result.summary()
    print(figures)
    assert (figures["nan"], figures["inf"]) == (0, 0)
    assert figures["kl_mean"] < 1e-5


@of_kinds(Q4F16)
def test_a_repaired_four_bit_file_has_the_codes_and_scales_that_it_had(repaired: Repaired) -> None:
    """They were made of weights that are gone: quantizing again would lose twice."""
    made = dict(read_initializers(repaired.model))
    names = [
        name
        for node in onnx.load(repaired.broken, load_external_data=False).graph.node
        if node.op_type == "MatMulNBits"
        for name in node.input[1:3]
    ]
    assert len(names) == 2 * 126
    had = dict(read_initializers(repaired.broken))
    for name in names:
        assert name in made, f"{name} is missing"
        assert (name, made[name].dtype) == (name, had[name].dtype)
        assert np.array_equal(made[name].data, had[name].data), f"{name}: bytes differ"


@of_kinds(list(KINDS))
def test_a_repaired_file_has_the_types_and_casts_of_a_conversion_from_float32(
    repaired: Repaired, convert: Convert
) -> None:
    expected = node_types(convert(repaired.policy) / repaired.broken.name)
    found = node_types(repaired.model)
    if repaired.kind in Q4F16:  # its codes have no zero points, where ours do
        expected, found = _without_zero_points(expected), _without_zero_points(found)
    assert_same_types(found, expected)


def _without_zero_points(types: NodeTypes) -> NodeTypes:
    def cut(typed: Typed) -> Typed:
        return (typed[0], typed[1][:3], typed[2]) if typed[0] == "MatMulNBits" else typed

    # Nodes of codes are called after the weight's bits by the one, and not by the other.
    nodes = {name.removesuffix("_Q4"): cut(typed) for name, typed in types.nodes.items()}
    return NodeTypes(nodes, types.casts)


@pytest.mark.parametrize(
    ("policy", "dtype"), [("gemma-safe", "fp16"), ("gemma-safe", "q4f16"), ("gemma-web", "fp16")]
)
def test_converting_a_right_file_again_changes_nothing(
    policy: str, dtype: str, binary: Path, convert: Convert, scratch: Path
) -> None:
    right = convert(policy) / f"model_{dtype}.onnx"
    folder = scratch / "again" / policy / dtype
    _run(binary, policy, right, folder)
    assert_same_model(folder / right.name, right)
    shutil.rmtree(folder)


def test_converting_shared_codes_again_keeps_the_codes(
    binary: Path, convert: Convert, scratch: Path
) -> None:
    """The lookup of rows then widens its scales, not the rows: they are stored in both types."""
    right = convert("gemma-web") / "model_q4f16.onnx"
    folder = scratch / "again" / "shared"
    _run(binary, "gemma-web", right, folder)
    before, after = (dict(read_initializers(path)) for path in (right, folder / right.name))
    assert set(before) <= set(after)
    codes = [name for name, weight in before.items() if weight.dtype == "UINT8"]
    assert len(codes) > 200
    for name in codes:
        assert np.array_equal(after[name].data, before[name].data), name
    shutil.rmtree(folder)
