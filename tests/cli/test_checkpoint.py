"""`inspect --checkpoint`: what became of each tensor of a checkpoint, by its values."""

import json
import struct
from pathlib import Path
from typing import Any

import gguf
import numpy as np
import pytest
from numpy.typing import NDArray
from onnx import TensorProto, helper, numpy_helper
from program import run, save
from safetensors.numpy import save_file

Floats = NDArray[np.float32]
D, V, F = 64, 160, 96


def _numbers(seed: int, *shape: int) -> Floats:
    return np.random.default_rng(seed).normal(0, 0.05, shape).astype(np.float32)


def _tensors() -> dict[str, Floats]:
    return {
        "model.embed_tokens.weight": _numbers(1, V, D),
        "model.layers.0.input_layernorm.weight": _numbers(2, D),
        "model.layers.0.self_attn.q_proj.weight": _numbers(3, D, D),
        "model.layers.0.self_attn.k_proj.weight": _numbers(4, D // 2, D),
        "model.layers.0.self_attn.v_proj.weight": _numbers(5, D // 2, D),
        "model.layers.0.mlp.up_proj.weight": _numbers(6, F, D),
        "model.layers.0.mlp.down_proj.weight": _numbers(7, D, F),
        "lm_head.weight": _numbers(8, V, D),
    }


def _model(folder: Path, weights: dict[str, Floats]) -> Path:
    """Write a model whose nodes read each weight: what they compute does not matter."""
    sums = [helper.make_node("ReduceSum", [f"out_{i}"], [f"s_{i}"]) for i in range(len(weights))]
    nodes = [
        helper.make_node("Mul", [name, "x"], [f"out_{i}"], f"reads_{i}")
        for i, name in enumerate(weights)
    ]
    graph = helper.make_graph(
        [*nodes, *sums],
        "g",
        [helper.make_tensor_value_info("x", TensorProto.FLOAT, [1])],
        [
            helper.make_tensor_value_info(f"s_{i}", TensorProto.FLOAT, None)
            for i in range(len(nodes))
        ],
        [numpy_helper.from_array(np.ascontiguousarray(w), name) for name, w in weights.items()],
    )
    return save(
        helper.make_model(graph, opset_imports=[helper.make_opsetid("", 21)], ir_version=10),
        folder,
    )


def _graph(tensors: dict[str, Floats]) -> dict[str, Floats]:
    """Return the weights as an exporter has them: transposed, one more, and scaled."""
    return {
        "embed": tensors["model.embed_tokens.weight"] * np.float32(8),
        "layers.0.norm": tensors["model.layers.0.input_layernorm.weight"] + np.float32(1),
        "layers.0.q": tensors["model.layers.0.self_attn.q_proj.weight"].T,
        "layers.0.k": tensors["model.layers.0.self_attn.k_proj.weight"].T,
        "layers.0.v": tensors["model.layers.0.self_attn.v_proj.weight"].T,
        "layers.0.up": tensors["model.layers.0.mlp.up_proj.weight"].T,
        "layers.0.down": tensors["model.layers.0.mlp.down_proj.weight"].T,
        "head": tensors["lm_head.weight"].T,
    }


def _inspect(model: Path, checkpoint: Path, status: int = 0) -> dict[str, Any]:
    done = run("inspect", "--json", "--checkpoint", checkpoint, model)
    assert done.returncode == status, done.stderr
    found = json.loads(done.stdout)["checkpoint"]
    found["by_name"] = {tensor["name"]: tensor for tensor in found["tensors"]}
    return dict(found)


def _checkpoint(folder: Path, tensors: dict[str, Any]) -> Path:
    save_file(
        {name: np.ascontiguousarray(t) for name, t in tensors.items()},
        folder / "c.safetensors",
    )
    return folder / "c.safetensors"


def test_every_tensor_is_found_whatever_the_export_did_to_it(tmp_path: Path) -> None:
    tensors = _tensors()
    found = _inspect(_model(tmp_path, _graph(tensors)), _checkpoint(tmp_path, tensors))
    assert not found["lost"]
    assert {row["fate"] for row in found["tensors"]} <= {"equal", "rounded"}
    how = {name.split(".")[-2]: row["how"] for name, row in found["by_name"].items()}
    assert how["embed_tokens"] == ["scaled by 8"]
    assert how["input_layernorm"] == ["as 1 + w"]
    assert how["q_proj"] == ["transposed"]
    assert found["only_in_graph"] == []


def test_a_head_that_the_export_tied_to_the_embedding_is_lost(tmp_path: Path) -> None:
    tensors = _tensors()
    weights = _graph(tensors)
    weights["embed"] = tensors["model.embed_tokens.weight"]
    del weights["head"]
    model = _model(tmp_path, weights)
    # Trained on from the embedding, so that it is like it.
    tensors["lm_head.weight"] = tensors["model.embed_tokens.weight"] + 0.1 * _numbers(9, V, D)
    checkpoint = _checkpoint(tmp_path, tensors)
    found = _inspect(model, checkpoint, 5)
    head = found["by_name"]["lm_head.weight"]
    assert (head["fate"], head["instead"]) == ("replaced", "model.embed_tokens.weight")
    assert head["differing"] > 0.9 * V * D
    assert found["counts"]["replaced"] == 1
    done = run("inspect", "--checkpoint", checkpoint, model)
    assert done.returncode == 5
    assert "replaced: 'lm_head.weight'" in done.stdout
    assert "1 of the checkpoint's tensors is not in the graph as trained" in done.stderr


def test_what_is_missing_or_differs_is_named(tmp_path: Path) -> None:
    tensors = _tensors()
    weights = _graph(tensors)
    del weights["layers.0.up"]
    weights["layers.0.down"] = weights["layers.0.down"].copy()
    weights["layers.0.down"][3, 5] += 1
    found = _inspect(_model(tmp_path, weights), _checkpoint(tmp_path, tensors), 5)
    assert found["by_name"]["model.layers.0.mlp.up_proj.weight"]["fate"] == "missing"
    down = found["by_name"]["model.layers.0.mlp.down_proj.weight"]
    assert (down["fate"], down["differing"], down["graph"]) == (
        "differs",
        1,
        ["layers.0.down"],
    )
    assert down["max_abs"] == pytest.approx(1, rel=1e-3)


@pytest.mark.parametrize("transposed", [False, True])
def test_fused_and_split_tensors_are_found(transposed: bool, tmp_path: Path) -> None:
    tensors = _tensors()
    parts = [tensors[f"model.layers.0.self_attn.{x}_proj.weight"] for x in "qkv"]
    fused = np.concatenate(parts)
    weights = _graph(tensors)
    for name in ("q", "k", "v"):
        del weights[f"layers.0.{name}"]
    weights["qkv"] = fused.T if transposed else fused
    found = _inspect(_model(tmp_path, weights), _checkpoint(tmp_path, tensors))
    key = found["by_name"]["model.layers.0.self_attn.k_proj.weight"]
    assert key["graph"] == ["qkv"]
    assert f"fused: rows {D} … {D + D // 2 - 1}" in key["how"]

    whole = {name: t for name, t in tensors.items() if "self_attn" not in name}
    whole["model.layers.0.self_attn.qkv_proj.weight"] = fused
    found = _inspect(_model(tmp_path, _graph(tensors)), _checkpoint(tmp_path, whole))
    split = found["by_name"]["model.layers.0.self_attn.qkv_proj.weight"]
    assert split["fate"] == "equal"
    assert split["graph"] == ["layers.0.q", "layers.0.k", "layers.0.v"]


def test_rows_in_another_order_are_found(tmp_path: Path) -> None:
    tensors = _tensors()
    weights = _graph(tensors)
    # As GGUF has the queries of Llama: halves of a head in turns.
    name = "model.layers.0.self_attn.q_proj.weight"
    turned = tensors[name].reshape(4, 2, D // 8, D).swapaxes(1, 2).reshape(D, D)
    found = _inspect(_model(tmp_path, weights), _checkpoint(tmp_path, {**tensors, name: turned}))
    assert found["by_name"][name]["fate"] == "equal"
    assert found["by_name"][name]["how"] == ["rows in another order", "transposed"]


def test_rounding_to_sixteen_bits_is_no_loss(tmp_path: Path) -> None:
    tensors = _tensors()
    weights = {name: w.astype(np.float16) for name, w in _graph(tensors).items()}
    weights["embed"] = tensors["model.embed_tokens.weight"].astype(np.float16)
    model = _model(tmp_path, {n: w.astype(np.float32) for n, w in weights.items()})
    found = _inspect(model, _checkpoint(tmp_path, tensors))
    assert found["counts"]["rounded"] == len(tensors)


def test_shards_are_read_by_their_index(tmp_path: Path) -> None:
    tensors = _tensors()
    names = list(tensors)
    folder = tmp_path / "sharded"
    folder.mkdir()
    index = {}
    for i in (0, 1):
        shard = f"model-{i}.safetensors"
        save_file({name: tensors[name] for name in names[i::2]}, folder / shard)
        index.update({name: shard for name in names[i::2]})
    (folder / "model.safetensors.index.json").write_text(json.dumps({"weight_map": index}))
    found = _inspect(_model(tmp_path, _graph(tensors)), folder)
    assert not found["lost"]
    assert len(found["files"]) == 2
    assert len(found["tensors"]) == len(tensors)


@pytest.mark.parametrize(
    "kind",
    ["F32", "F16", "Q4_0", "Q4_1", "Q5_0", "Q5_1", "Q8_0", "Q4_K", "Q5_K", "Q6_K"],
)
def test_gguf_comes_to_the_numbers_of_its_own_reader(kind: str, tmp_path: Path) -> None:
    type_ = gguf.GGMLQuantizationType[kind]
    shape = (8, 512)
    if kind.endswith("_K"):
        block, size = gguf.GGML_QUANT_SIZES[type_]
        random = np.random.default_rng(1)
        data = random.integers(0, 256, (shape[0], shape[1] // block * size), dtype=np.uint8)
        halves = {"Q4_K": (0, 2), "Q5_K": (0, 2), "Q6_K": (208,)}[kind]
        for first in range(0, data.shape[1], size):
            for at in halves:
                half = random.normal(0.01, 0.001, (shape[0], 1)).astype(np.float16).view(np.uint8)
                data[:, first + at : first + at + 2] = half
    else:
        data = gguf.quants.quantize(_numbers(1, *shape), type_)
    values = np.asarray(gguf.quants.dequantize(data, type_), np.float32)
    writer = gguf.GGUFWriter(tmp_path / "m.gguf", "gemma3")
    writer.add_string("general.name", "a model")
    writer.add_array("tokenizer.ggml.tokens", ["a", "b"])
    writer.add_tensor("blk.0.attn_q.weight", data, raw_dtype=type_)
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()
    found = _inspect(_model(tmp_path, {"w": values.T}), tmp_path / "m.gguf")
    (tensor,) = found["tensors"]
    assert (tensor["type"], tensor["fate"], tensor["shape"]) == (
        kind,
        "equal",
        list(shape),
    )


def test_tensors_that_the_graph_may_have_in_codes_are_not_called_missing(tmp_path: Path) -> None:
    w = _numbers(3, 128, D)
    graph = helper.make_graph(
        [helper.make_node("MatMul", ["x", "w"], ["y"], "layer")],
        "g",
        [helper.make_tensor_value_info("x", TensorProto.FLOAT, [1, 128])],
        [helper.make_tensor_value_info("y", TensorProto.FLOAT, [1, D])],
        [numpy_helper.from_array(w, "w")],
    )
    opset = [helper.make_opsetid("", 21)]
    model = save(helper.make_model(graph, opset_imports=opset, ir_version=10), tmp_path)
    assert run("--policy", "q4", model).returncode == 0
    found = _inspect(tmp_path / "model_q4.onnx", _checkpoint(tmp_path, {"w": w.T}))
    assert (found["coded"], found["counts"]["not_compared"]) == (1, 1)
    assert found["only_in_graph"] == []


def test_types_that_are_not_read_are_named_whatever_their_shape(tmp_path: Path) -> None:
    text = b'{"w":{"dtype":"F8_E4M3","shape":[4611686018427387904,9],"data_offsets":[0,8]}}'
    (tmp_path / "c.safetensors").write_bytes(_header(text, b"x" * 8))
    found = _inspect(_model(tmp_path, _graph(_tensors())), tmp_path / "c.safetensors")
    assert found["counts"]["not_compared"] == 1


def test_integers_and_frequencies_are_not_looked_for(tmp_path: Path) -> None:
    tensors: dict[str, Any] = _tensors()
    tensors["model.position_ids"] = np.arange(9)
    tensors["model.rotary_emb.inv_freq"] = _numbers(11, 32)
    found = _inspect(_model(tmp_path, _graph(tensors)), _checkpoint(tmp_path, tensors))
    assert found["counts"]["not_trained"] == 2


def _header(text: bytes, data: bytes = b"") -> bytes:
    return struct.pack("<Q", len(text)) + text + data


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("c.safetensors", b"", "too few"),
        ("c.safetensors", b"\xff" * 64, "at most"),
        ("c.safetensors", _header(b"[1]"), "no JSON object"),
        (
            "c.safetensors",
            _header(
                b'{"w":{"dtype":"F32","shape":[4611686018427387904,4],"data_offsets":[0,8]}}',
                b"x" * 8,
            ),
            "its shape asks for another number",
        ),
        ("c.gguf", b"GGUF", "are left"),
        ("c.gguf", b"GGUF" + struct.pack("<IQQ", 3, 2**60, 0), "tensors in"),
        ("c.gguf", b"GGUF" + struct.pack("<IQQ", 9, 0, 0), "version 9"),
        (
            "c.gguf",
            b"GGUF"
            + struct.pack("<IQQQ", 3, 1, 0, 1)
            + b"w"
            + struct.pack("<IQIQ", 1, 2**62, 0, 0),
            "more elements than can be counted",
        ),
        (
            "c.gguf",
            b"GGUF" + struct.pack("<IQQQ", 3, 1, 0, 1) + b"w" + struct.pack("<IQIQ", 1, 64, 0, 0),
            "the file",
        ),
    ],
)
def test_a_checkpoint_that_cannot_be_read_is_refused_by_name(
    name: str, content: bytes, message: str, tmp_path: Path
) -> None:
    (tmp_path / name).write_bytes(content)
    model = _model(tmp_path, _graph(_tensors()))
    done = run("inspect", "--checkpoint", tmp_path / name, model)
    assert done.returncode == 1, (done.returncode, done.stderr)
    assert name in done.stderr
    assert message in done.stderr


@pytest.mark.parametrize("what", ["nothing.safetensors", "empty", "index"])
def test_a_place_without_a_checkpoint_is_refused(what: str, tmp_path: Path) -> None:
    place = tmp_path / what
    if what != "nothing.safetensors":
        place.mkdir()
    if what == "index":
        text = json.dumps({"weight_map": {"w": "../other.safetensors"}})
        (place / "model.safetensors.index.json").write_text(text)
    done = run("inspect", "--checkpoint", place, _model(tmp_path, _graph(_tensors())))
    assert done.returncode == 1, done.stderr
    assert what in done.stderr


def test_truncated_files_never_crash(tmp_path: Path) -> None:
    tensors = _tensors()
    model = _model(tmp_path, _graph(tensors))
    whole = _checkpoint(tmp_path, tensors).read_bytes()
    cut = tmp_path / "cut.safetensors"
    for size in (7, 8, 100, 1000, len(whole) // 2, len(whole) - 1):
        cut.write_bytes(whole[:size])
        assert run("inspect", "--checkpoint", cut, model).returncode == 1
