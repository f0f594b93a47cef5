"""Policies with a mistake: each is shown at its file, line and column."""

from pathlib import Path

import pytest
from program import FP16, listing, policy, run, save, small_model
from refusing import refuses

RULE = FP16 + "rules:\n  - {match: {op: MatMul}, weights: float32}\n"


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Return a folder with a good model; the policy is still missing."""
    save(small_model(), tmp_path)
    return tmp_path


@pytest.mark.parametrize(
    ("old", "new", "place", "found", "remedy"),
    [
        ("outputs:", "outpts:", "3:1", "'outpts'", "did you mean 'outputs'?"),
        ("fp16:", "fp61:", "4:3", "'fp61'", "did you mean 'fp16'?"),
        ("compute: float16", "comptue: float16", "4:10", "'comptue'", "did you mean 'compute'?"),
        ("weights: float16", "weights: flot16", "4:37", "'flot16'", "did you mean 'float16'?"),
        ("weights: float16", "weights: in4", "4:37", "'in4'", "did you mean 'int4'?"),
        ("io: float32", "io: int4", "4:50", "'int4'", "float32, float16"),
        ("rules:", "rule:", "5:1", "'rule'", "did you mean 'rules'?"),
        ("match:", "mach:", "6:6", "'mach'", "did you mean 'match'?"),
        ("op:", "opp:", "6:14", "'opp'", "did you mean 'op'?"),
        ("op: MatMul", "role: nrom", "6:20", "'nrom'", "did you mean 'norm'?"),
        ("op: MatMul", "op: MatMull", "6:5", "matches nothing", "onnxquant inspect"),
        ("op: MatMul", "layer: 7", "6:5", "matches nothing", "optional: true"),
        ("policy: 1", "policy: 2", "1:9", "version 2", "reads version 1"),
        ("match: {op: MatMul}, ", "", "6:5", "needs 'match'", ""),
        ("match: {op: MatMul}", "match: {}", "6:13", "'match' is empty", "say what to match"),
        ("weights: float16", "weights: {format: int4, block: 33}", "4:59", "'33'", "16, 32, 64"),
        ("name: p", "name: p: q", "2:8", "not valid YAML", ""),
        ("io: float32}", "io: float32", "5:6", "not valid YAML", ""),
        ("weights: float16", "weights: float16, weights: float32", "4:46", "'weights'", "twice"),
        ("name: p\n", "", "1:1", "'name' is missing", ""),
    ],
)
def test_a_mistake_is_shown_where_it_stands(
    folder: Path, old: str, new: str, place: str, found: str, remedy: str
) -> None:
    assert RULE.count(old) >= 1
    path = policy(folder, RULE.replace(old, new, 1))
    refuses(folder, 3, f"onnxquant: {path}:{place}: ", found, remedy)


def test_the_policy_without_a_mistake_is_accepted(folder: Path) -> None:
    done = run("plan", "--policy", policy(folder, RULE), folder / "model.onnx")
    assert done.returncode == 0, done.stderr


@pytest.mark.parametrize("content", ["", "# nothing\n", "- a list\n", "word\n", "\x00\x01"])
def test_a_file_that_is_no_policy_is_refused(folder: Path, content: str) -> None:
    policy(folder, content)
    refuses(folder, 3, "p.yaml")


def test_a_missing_policy_file_is_named(folder: Path) -> None:
    refuses(folder, 3, f"{folder}/p.yaml: ", "cannot be read")


def test_a_folder_is_no_policy(folder: Path) -> None:
    (folder / "p.yaml").mkdir()
    refuses(folder, 3, f"{folder}/p.yaml: ")


def test_the_model_given_as_the_policy_is_refused(folder: Path) -> None:
    done = run("--policy", folder / "model.onnx", folder / "model.onnx")
    assert done.returncode == 3
    assert "model.onnx" in done.stderr
    assert sorted(path.name for path in folder.iterdir()) == ["model.onnx"]


@pytest.mark.parametrize(
    ("rule", "place", "expected"),
    [
        ("match: {rol: norm}, compute: float32", "--set:1:9", "did you mean 'role'?"),
        ("match: {op: MatMul}, comptue: float32", "--set:1:22", "did you mean 'compute'?"),
        ("match: {op: MatMul}, compute: float23", "--set:1:31", "did you mean 'float32'?"),
        ("match: {op: MatMull}, compute: float32", "--set", "matches nothing"),
        ("match: {op: MatMul", "--set", "not valid YAML"),
        ("nonsense", "--set", ""),
        ("", "--set", ""),
    ],
)
def test_a_mistake_in_set_is_shown_where_it_stands(
    folder: Path, rule: str, place: str, expected: str
) -> None:
    policy(folder)
    refuses(folder, 3, f"onnxquant: {place}", expected, arguments=("--set", rule))


def test_of_several_rules_on_the_command_line_the_wrong_one_is_named(folder: Path) -> None:
    policy(folder)
    good, bad = "match: {op: MatMul}, keep: true", "match: {op: Relu}, kep: true"
    message = refuses(folder, 3, "number 2", arguments=("--set", good, "--set", bad))
    assert "did you mean 'keep'?" in message


def test_an_unknown_built_in_policy_to_print_is_refused(folder: Path) -> None:
    done = run("policies", "gemma-sfe")
    assert (done.returncode, done.stdout) == (3, "")
    assert "did you mean 'gemma-safe'?" in done.stderr


@pytest.mark.parametrize(
    ("arguments", "expected"),
    [
        (("--dtype", "fp61"), "did you mean 'fp16'?"),
        (("--dtype", "fp16,q4"), "'q4'; it has fp16"),
        (("--dtype", ""), ""),
        (("--plicy", "q4"), "--plicy"),
        (("--threads", "0"), "--threads"),
        (("--threads", "many"), "--threads"),
        (("--memory", "some"), "--memory"),
        (("--memory", "-1"), "'-1' is no size"),
        (("--memory", "1e9"), "'1e9' is no size: a whole number, then k, M, G or T"),
        (("--max-shard", "1X"), "--max-shard"),
        (("--max-shard", "1.5G"), "'1.5G' is no size"),
        (("--max-shard", ""), "'' is no size"),
    ],
)
def test_a_wrong_option_is_named(folder: Path, arguments: tuple[str, ...], expected: str) -> None:
    text = policy(folder)
    before = listing(folder)
    done = run("--policy", text, *arguments, folder / "model.onnx")
    assert (done.returncode, done.stdout) == (1, "")
    assert done.stderr != ""
    assert expected in done.stderr
    assert listing(folder) == before


def test_a_tensor_beyond_the_largest_shard_is_named(folder: Path) -> None:
    policy(folder)
    words = (
        "initializer 'w1' takes 18432 bytes in model_fp16.onnx",
        "have a rule store it in fewer bits, or raise --max-shard",
    )
    refuses(folder, 2, *words, arguments=("--max-shard", "4K"))
