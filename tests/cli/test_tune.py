"""Policies of a size: exact, never above it, better than chance, and told where they cannot be."""

import json
import random
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import onnx.numpy_helper
import onnx.parser
import pytest
from program import run, save, small_model

POLICY = """policy: 1
name: mine
outputs:
  q4: {compute: float32, weights: {format: int4, block: 16, symmetric: false}, io: float32}
rules:
  - match: {role: norm}
    weights: float32
"""
FORMATS = ("--format", "{format: int4, block: 16, symmetric: false}",
           "--format", "{format: int2, block: 16, symmetric: false}",
           "--format", "{format: int8, block: 16}")  # fmt: skip


@pytest.fixture(scope="module")
def model(exported: Path) -> Path:
    """Return a small Gemma."""
    return exported / "onnx" / "model.onnx"


@pytest.fixture(scope="module")
def work(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a folder with a policy, a text and costs that all tests add to."""
    folder = tmp_path_factory.mktemp("tune")
    (folder / "mine.yaml").write_text(POLICY)
    tokens = np.random.default_rng(3).integers(0, 50, (3, 40))
    (folder / "text.jsonl").write_text("".join(json.dumps(row.tolist()) + "\n" for row in tokens))
    return folder


def _tune(model: Path, work: Path, *arguments: str | Path) -> dict[str, Any]:
    cache = () if "--cache" in arguments else ("--cache", work / "costs.jsonl")
    done = run("tune", "--json", "-p", work / "mine.yaml", "-t", work / "text.jsonl", *FORMATS,
               *cache, *arguments, model)  # fmt: skip
    assert done.returncode == 0, done.stderr
    result: dict[str, Any] = json.loads(done.stdout)
    return result


@pytest.fixture(scope="module")
def front(model: Path, work: Path) -> list[dict[str, float]]:
    """Return what the sizes cost, from the smallest to the largest."""
    points: list[dict[str, float]] = _tune(model, work, "--front")["front"]
    return points


@pytest.fixture(scope="module")
def size(front: list[dict[str, float]]) -> str:
    """Return a size halfway."""
    return str(int((front[0]["bytes"] + front[-1]["bytes"]) / 2))


def _convert(model: Path, policy: Path, out: Path) -> int:
    """Return the bytes of all files."""
    done = run("-p", policy, "-o", out, "--no-config", model)
    assert done.returncode == 0, done.stderr
    return sum(path.stat().st_size for path in out.iterdir())


def _kl(model: Path, candidate: Path, work: Path) -> float:
    done = run("verify", "--json", model, candidate, "-t", work / "text.jsonl")
    kl: float = json.loads(done.stdout)["results"][0]["language"]["kl_mean"]
    return kl


def test_without_a_policy_the_family_decides(model: Path, work: Path, tmp_path: Path) -> None:
    out = tmp_path / "t.yaml"
    arguments = ("--max-kl", "10", "--no-confirm", "-t", work / "text.jsonl", "-o", out, model)
    done = run("tune", "--json", *arguments)
    assert done.returncode == 0, done.stderr
    told = json.loads(done.stdout)
    assert told["policy"]["name"] == "gemma-web"
    assert "Gemma" in told["policy"]["chosen_because"]
    assert told["dtype"] == "q4f16"
    assert "# Gemma 2 and 3 for the web" in out.read_text()
    text = run("tune", "--force", *arguments).stdout
    assert text.startswith(f"policy gemma-web: {told['policy']['chosen_because']}\n")


def test_the_policy_meets_the_size_and_says_what_it_costs(
    model: Path, work: Path, tmp_path: Path, front: list[dict[str, float]]
) -> None:
    least, most = front[0]["bytes"], front[-1]["bytes"]
    costs = []
    for share in (0.2, 0.5, 0.8):
        size = int(least + share * (most - least))
        policy = tmp_path / f"{share}.yaml"
        found = _tune(model, work, "--size", str(size), "-o", policy, "--no-confirm")
        bytes_ = _convert(model, policy, tmp_path / str(share))
        assert bytes_ == found["bytes"]
        assert 0.97 * size <= bytes_ <= size  # tensors of a few KB begin at multiples of 4 KiB
        costs.append(found["predicted_kl"])
    assert costs[0] > costs[1] > costs[2] > 0


def test_the_prediction_is_near_what_is_measured_and_better_than_chance(
    model: Path, work: Path, tmp_path: Path, size: str
) -> None:
    policy = tmp_path / "tuned.yaml"
    found = _tune(model, work, "--size", size, "-o", policy, "--no-confirm")
    _convert(model, policy, tmp_path / "tuned")
    tuned = _kl(model, tmp_path / "tuned" / "model_q4.onnx", work)
    assert 0.4 * tuned < found["predicted_kl"] < 2.5 * tuned
    worse = []
    for seed in range(3):
        # Formats by chance, as many bytes or more.
        names = [weight["name"] for weight in found["weights"]]
        random.Random(seed).shuffle(names)
        for wide in range(len(names) + 1):
            text = POLICY
            for i, name in enumerate(names):
                word = "int8" if i < wide else "int2"
                text += (
                    f'  - match: {{weight: "{name}"}}\n    weights: {{format: {word}, block: 16}}\n'
                )
            chance = tmp_path / f"chance{seed}.yaml"
            chance.write_text(text)
            out = tmp_path / f"chance{seed}-{wide}"
            if _convert(model, chance, out) >= found["bytes"]:
                worse.append(_kl(model, out / "model_q4.onnx", work))
                break
    assert len(worse) == 3
    assert min(worse) > tuned


def test_what_was_measured_is_not_measured_again(model: Path, work: Path, tmp_path: Path) -> None:
    first = _tune(model, work, "--front")
    lines = (work / "costs.jsonl").read_text()
    again = _tune(model, work, "--front")
    assert again["measured"] == 0
    assert again["front"] == first["front"]
    assert (work / "costs.jsonl").read_text() == lines
    # A file that ends early is gone on with.
    part = tmp_path / "part.jsonl"
    part.write_text("".join(line + "\n" for line in lines.splitlines()[:-4]))
    resumed = _tune(model, work, "--front", "--cache", part)
    assert 0 < resumed["measured"] < len(lines.splitlines()) / 3
    assert resumed["front"] == first["front"]


def test_threads_change_nothing(model: Path, work: Path, tmp_path: Path, size: str) -> None:
    texts = []
    for threads in ("1", "3"):
        path = tmp_path / f"{threads}.yaml"
        _tune(model, work, "--size", size, "-o", path, "--no-confirm", "-j", threads,
              "--cache", tmp_path / threads)  # fmt: skip
        texts.append(path.read_text())
    assert texts[0] == texts[1]


def test_the_policy_stays_one_that_people_read(
    model: Path, work: Path, tmp_path: Path, size: str
) -> None:
    path = tmp_path / "tuned.yaml"
    found = _tune(model, work, "--size", str(int(size) + 60_000), "-o", path, "--no-confirm",
                  "--set", "match: {role: o_proj}, weights: float32")  # fmt: skip
    text = path.read_text()
    assert text.startswith(POLICY)
    assert "  - {match: {role: o_proj}, weights: float32}\n" in text
    assert "predicted KL" in text
    assert "role: " in text[len(POLICY) :]
    assert not any(weight["role"] == "o_proj" for weight in found["weights"])


def test_a_bound_of_the_loss_is_kept_with_fewer_bytes_than_a_tighter_one(
    model: Path, work: Path, tmp_path: Path, front: list[dict[str, float]]
) -> None:
    middle = front[len(front) // 2]
    loose = _tune(model, work, "--max-kl", str(2 * middle["kl"]), "-o", tmp_path / "a.yaml",
                  "--no-confirm")  # fmt: skip
    tight = _tune(model, work, "--max-kl", str(middle["kl"]), "-o", tmp_path / "b.yaml",
                  "--no-confirm")  # fmt: skip
    assert loose["predicted_kl"] <= 2 * middle["kl"]
    assert tight["predicted_kl"] <= middle["kl"]
    assert loose["bytes"] < tight["bytes"] <= middle["bytes"] * 1.01


def test_the_loss_is_measured_at_the_end_and_nothing_is_left(
    model: Path, work: Path, tmp_path: Path, size: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = tmp_path / "tmp"
    folder.mkdir()
    monkeypatch.setenv("TMPDIR", str(folder))
    found = _tune(model, work, "--size", size, "-o", tmp_path / "t.yaml")
    assert found["measured_kl"] > 0
    assert not list(folder.glob("onnxquant-*"))
    common = ("-p", work / "mine.yaml", "-t", work / "text.jsonl", *FORMATS)
    shown = run("tune", *common, "--size", size, "-o", tmp_path / "u.yaml", model)
    assert "measured on other text" in shown.stdout
    assert "down_proj" in shown.stdout


def test_faults_are_told_and_nothing_is_written(
    model: Path, work: Path, tmp_path: Path, size: str
) -> None:
    out = tmp_path / "t.yaml"
    common = ("-p", work / "mine.yaml", "-t", work / "text.jsonl")

    def told(status: int, words: str, *arguments: str | Path) -> None:
        done = run("tune", *common, *arguments, model)
        assert done.returncode == status, done.stderr
        assert words in done.stderr
        assert not out.exists()

    told(1, "--size, --max-kl, --front or --part")
    told(1, "-o is required", "--size", "1M")
    told(1, "--size excludes --max-kl", "--size", "1M", "--max-kl", "1", "-o", out)
    told(1, "more than --size allows", "--size", "1k", "-o", out)
    told(1, "allow more with --max-kl", "--max-kl", "1e-12", "-o", out)
    told(1, "is no size", "--size", "many", "-o", out)
    told(3, "found weights 'int5'", "--format", "int5", "--size", "1M", "-o", out)
    told(1, "but one format to choose from", "--format", "int4", "--size", "1M", "-o", out)
    told(1, "has no output 'q8'", "--dtype", "q8", "--size", "1M", "-o", out)
    told(1, "cannot be opened", "--calibration", tmp_path / "none", "--size", "1M", "-o", out)
    (tmp_path / "costs").write_text("no costs\n")
    told(1, "costs:1: is no measured cost", "--cache", tmp_path / "costs", "--size", "1M",
         "-o", out)  # fmt: skip
    out.write_text("mine")
    done = run("tune", *common, "--size", size, "-o", out, model)
    assert done.returncode == 4
    assert "--force" in done.stderr
    assert out.read_text() == "mine"


def test_one_output_is_asked_for_by_name(model: Path, tmp_path: Path) -> None:
    done = run("tune", "-p", "gemma-web", "--size", "1M", "-o", tmp_path / "t.yaml", model)
    assert done.returncode == 1
    assert "choose it with --dtype; policy gemma-web has fp16, q4, q4f16, q8" in done.stderr


def test_a_model_without_logits_is_refused(tmp_path: Path) -> None:
    model = save(small_model(), tmp_path)
    (tmp_path / "mine.yaml").write_text(POLICY.split("rules:")[0])
    done = run(
        "tune", "-p", tmp_path / "mine.yaml", "--size", "1M", "-o", tmp_path / "t.yaml", model
    )
    assert done.returncode in (1, 3), done.stderr
    assert onnx.load(model).graph.name


def test_eight_bits_are_read_by_exact_activations_unless_it_shall_be_fast(
    model: Path, work: Path, tmp_path: Path
) -> None:
    text = POLICY.replace("io: float32}", "io: float32, accuracy_level: 4}")
    (tmp_path / "p.yaml").write_text(text)
    levels: dict[str, set[tuple[int, int]]] = {}
    for name, more in (("exact", ()), ("fast", ("--fast",))):
        out = tmp_path / f"{name}.yaml"
        done = run("tune", "-p", tmp_path / "p.yaml", "-t", work / "text.jsonl", *FORMATS, *more,
                   "--cache", work / "levels.jsonl", "--max-kl", "0.01", "--no-confirm",
                   "-o", out, model)  # fmt: skip
        assert done.returncode == 0, done.stderr
        assert _convert(model, out, tmp_path / name) > 0
        graph = onnx.load(tmp_path / name / "model_q4.onnx", load_external_data=False).graph
        levels[name] = set()
        for node in graph.node:
            if node.op_type != "MatMulNBits":
                continue
            attributes = {a.name: a.i for a in node.attribute}
            levels[name].add((attributes["bits"], attributes.get("accuracy_level", 0)))
    assert (8, 0) in levels["exact"]
    assert (8, 4) not in levels["exact"]
    assert (8, 4) in levels["fast"]
    assert (8, 0) not in levels["fast"]
    assert (4, 4) in levels["exact"]


def test_eight_bits_come_in_blocks_of_128_too(work: Path, tmp_path: Path) -> None:
    model = onnx.parser.parse_model(
        '<ir_version: 10, opset_import: ["": 21]> g (int64[b, n] input_ids) => '
        "(float[b, n, 50] logits) { e = Gather(table, input_ids) h = MatMul(e, m) "
        "logits = MatMul(h, head) }"
    )
    random = np.random.default_rng(1)
    for name, shape in {"table": (50, 256), "m": (256, 256), "head": (256, 50)}.items():
        values = random.normal(0, 0.1, shape).astype(np.float32)
        model.graph.initializer.append(onnx.numpy_helper.from_array(values, name))
    (tmp_path / "p.yaml").write_text(POLICY.partition("rules:")[0])
    tune = ("tune", "-p", tmp_path / "p.yaml", "-t", work / "text.jsonl", "--json",
            "--no-confirm", "-o", tmp_path / "t.yaml", save(model, tmp_path))  # fmt: skip
    all_of_it = run(*tune, "--front", "--max-kl", "9")
    assert all_of_it.returncode == 0, all_of_it.stderr
    front = json.loads(all_of_it.stdout)["front"]
    done = run(*tune, "--max-kl", str(1.5 * front[-1]["kl"]), "--force")
    assert done.returncode == 0, done.stderr
    formats = {weight["format"] for weight in json.loads(done.stdout)["weights"]}
    assert any(text.startswith("int8 block 128") for text in formats), formats


def test_gradients_foretell_what_is_measured(model: Path, work: Path, tmp_path: Path) -> None:
    statistics = tmp_path / "c.safetensors"
    done = run("calibrate", "-t", work / "text.jsonl", "--gradients", "3", "-o", statistics, model)
    assert done.returncode == 0, done.stderr
    common = ("--calibration", statistics, "--max-kl", "9", "--no-confirm")
    foretold = _tune(model, work, *common, "-o", tmp_path / "a.yaml")
    assert foretold["measured"] == 0
    assert foretold["tokens"] == 0
    measured = _tune(model, work, *common, "-o", tmp_path / "b.yaml", "--measure")
    assert measured["measured"] == len(measured["weights"])
    pairs = [
        (weight["kl"], other["kl"])
        for weight, other in zip(foretold["weights"], measured["weights"], strict=True)
        if weight["format"] == other["format"]
    ]
    assert len(pairs) > len(foretold["weights"]) / 2
    ratios = sorted(first / second for first, second in pairs)
    assert 0.5 < ratios[len(ratios) // 2] < 2
    ranks = [np.argsort(np.argsort(column)) for column in np.array(pairs).T]
    assert np.corrcoef(ranks[0], ranks[1])[0, 1] > 0.7


def test_parts_of_the_weights_are_measured_apart(model: Path, work: Path, tmp_path: Path) -> None:
    ours, theirs = tmp_path / "parts.jsonl", tmp_path / "whole.jsonl"
    done = [_tune(model, work, "--part", f"{i}/3", "--cache", ours)["measured"] for i in (1, 2, 3)]
    whole = _tune(model, work, "--front", "--cache", theirs)
    assert sum(done) == whole["measured"] and max(done) - min(done) <= 1
    assert sorted(ours.read_text().splitlines()) == sorted(theirs.read_text().splitlines())
    assert _tune(model, work, "--front", "--cache", ours)["measured"] == 0
    asked = ("tune", "-p", work / "mine.yaml", "-t", work / "text.jsonl", *FORMATS)
    said = run(*asked, "--part", "1/3", "--cache", ours, model)
    assert "the costs of part 1/3 are there" in said.stdout
    for wrong in (("0/3", "--cache", ours), ("3", "--cache", ours), ("1/3",)):
        refused = run(*asked, "--part", *wrong, model)
        assert refused.returncode == 1 and "--part" in refused.stderr
