"""Checkpoints that lie: each is refused by name, in little memory, and at once."""

import json
import os
import resource
import struct
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
from onnxquant_tools.tiny_gemma import write_tiny_gguf
from safetensors_writer import write_raw

# Ten times what reading the whole of these files takes, numpy and onnx included.
MEMORY = 2 << 30
U8, U32, F32_VALUE, TEXT, ARRAY, U64 = 0, 4, 6, 8, 9, 10


def _text(value: bytes) -> bytes:
    return struct.pack("<Q", len(value)) + value


def _field(name: str, kind: int, value: bytes) -> bytes:
    return _text(name.encode()) + struct.pack("<I", kind) + value


def _array(kind: int, count: int, elements: bytes = b"") -> bytes:
    return struct.pack("<IQ", kind, count) + elements


def _tensor(name: str, shape: tuple[int, ...], kind: int, offset: int) -> bytes:
    form = f"<I{len(shape)}QIQ"
    return _text(name.encode()) + struct.pack(form, len(shape), *shape, kind, offset)


def _gguf(
    fields: list[bytes],
    tensors: list[bytes],
    data: bytes = b"",
    *,
    counts: tuple[int, int] | None = None,
    version: int = 3,
) -> bytes:
    numbers = counts or (len(tensors), len(fields))
    head = b"GGUF" + struct.pack("<IQQ", version, *numbers) + b"".join(fields) + b"".join(tensors)
    return head + bytes(-len(head) % 32) + data


NAME = _field("general.architecture", TEXT, _text(b"gemma3"))
NESTED = _array(U8, 1, b"\0")
for _ in range(1000):
    NESTED = _array(ARRAY, 1, NESTED)
# What the file says, and what is said of it.
GGUF: dict[str, tuple[bytes, str]] = {
    "no bytes": (b"", "not a readable GGUF file"),
    "three bytes": (b"GGU", "not a readable GGUF file"),
    "the magic alone": (b"GGUF", "the version: 4 bytes at 4, of 4 in all"),
    "version 1": (_gguf([NAME], [], version=1), "GGUF version 1, expected one of"),
    "the other byte order": (_gguf([], [], version=3 << 24), "its byte order is another"),
    "2^63 fields": (_gguf([NAME], [], counts=(0, 1 << 63)), "9223372036854775808 metadata fields"),
    "2^63 tensors": (_gguf([NAME], [], counts=(1 << 63, 1)), "and 9223372036854775808 tensors"),
    "a million tensors": (_gguf([NAME], [], counts=(10**6, 1)), "and 1000000 tensors"),
    "a name of 2^63 bytes": (_gguf([struct.pack("<Q", 1 << 63) + bytes(50)], []), "at most 65535"),
    "a text of 2^40 bytes": (
        _gguf([_field("k", TEXT, struct.pack("<Q", 1 << 40))], []), "'k': 1099511627776 bytes at",
    ),
    "an array of 2^60": (_gguf([_field("k", ARRAY, _array(U64, 1 << 60))], []), "elements, with"),
    "an array of 2^60 texts": (_gguf([_field("k", ARRAY, _array(TEXT, 1 << 60))], []), "elements"),
    "arrays within arrays": (_gguf([_field("k", ARRAY, NESTED)], []), "arrays within arrays"),
    "20 million numbers": (
        _gguf([_field("k", ARRAY, _array(U8, 20_000_000, bytes(20_000_000)))], []),
        "at most 16000000 elements",
    ),
    "an unknown kind": (_gguf([_field("k", 77, b"\0" * 8)], []), "'k': type 77 is unknown"),
    "a name that is no text": (_gguf([_text(b"\xff\xfe") + bytes(60)], []), "not UTF-8"),
    "a field twice": (_gguf([NAME, NAME], []), "'general.architecture' is there twice"),
    "10^9 dimensions": (
        _gguf([NAME], [_text(b"t") + struct.pack("<I", 10**9) + bytes(64)]),
        "'t': 1000000000 dimensions",
    ),
    "2^63 rows": (
        _gguf([NAME], [_tensor("t", (4, 1 << 63), 0, 0)], bytes(64)), "lie outside the data",
    ),
    "sizes that wrap around": (
        _gguf([NAME], [_tensor("t", (1 << 32, 1 << 32), 0, 0)], bytes(64)), "lie outside the data",
    ),
    "no rows": (_gguf([NAME], [_tensor("t", (4, 0), 0, 0)], bytes(64)), "has no elements"),
    "an offset beyond": (
        _gguf([NAME], [_tensor("t", (4,), 0, 1 << 63)], bytes(64)), "lie outside the data",
    ),
    "one byte short": (_gguf([NAME], [_tensor("t", (4,), 0, 0)], bytes(15)), "outside the data"),
    "half a block": (_gguf([NAME], [_tensor("t", (33,), 8, 0)], bytes(64)), "a multiple of 32"),
    "an unknown type": (_gguf([NAME], [_tensor("t", (4,), 999, 0)], bytes(64)), "type 999 is unk"),
    "a tensor twice": (
        _gguf([NAME], [_tensor("t", (4,), 0, 0), _tensor("t", (4,), 0, 32)], bytes(64)),
        "'t' is there twice",
    ),
    "an overlap": (
        _gguf([NAME], [_tensor("a", (4,), 0, 0), _tensor("b", (4,), 0, 8)], bytes(64)),
        "'a' and 'b' overlap",
    ),
    "alignment 0": (
        _gguf([NAME, _field("general.alignment", U32, bytes(4))], []), "expected a power of two",
    ),
    "alignment as a text": (
        _gguf([NAME, _field("general.alignment", TEXT, _text(b"32"))], []), "a power of two",
    ),
    "an architecture that is a list": (
        _gguf([_field("general.architecture", ARRAY, _array(U8, 2, b"ab"))], []), "architecture is",
    ),
    "no architecture": (_gguf([], []), "'general.architecture' is missing"),
}  # fmt: skip

# Values of the tiny checkpoint's metadata that no model has.
NUMBERS: dict[str, tuple[str, int, bytes]] = {
    "four billion layers": ("gemma3.block_count", U32, struct.pack("<I", 0xFFFFFFFF)),
    "no layers": ("gemma3.block_count", U32, bytes(4)),
    "layers as a text": ("gemma3.block_count", TEXT, _text(b"7")),
    "half a layer": ("gemma3.block_count", F32_VALUE, struct.pack("<f", 0.5)),
    "four billion positions": ("gemma3.context_length", U32, struct.pack("<I", 0xFFFFFFFF)),
    "no heads": ("gemma3.attention.head_count", U32, bytes(4)),
    "an epsilon that is not a number": (
        "gemma3.attention.layer_norm_rms_epsilon", F32_VALUE, struct.pack("<f", float("nan")),
    ),
    "an infinite base": ("gemma3.rope.freq_base", F32_VALUE, struct.pack("<f", float("inf"))),
    "a token that is a list": ("tokenizer.ggml.bos_token_id", ARRAY, _array(U8, 1, b"\2")),
}  # fmt: skip


# Runs the exporter on each case in turn, in one process, and says how it went.
RUN_ALL = """
import contextlib, io, json, sys
from onnxquant.export.__main__ import main
for arguments in json.load(sys.stdin):
    said = io.StringIO()
    try:
        with contextlib.redirect_stderr(said):
            status = main(arguments)
    except BaseException as error:
        status = repr(error)
    print(json.dumps([status, said.getvalue()]), flush=True)
"""


def _limited() -> None:
    resource.setrlimit(resource.RLIMIT_AS, (MEMORY, MEMORY))


def _refusals(folder: Path, cases: dict[str, list[Path | str]]) -> dict[str, str]:
    """Export each case, which must be refused in bounded memory; return what was said of it."""
    out = folder / "written"
    arguments = [[str(case[0]), str(out), *map(str, case[1:])] for case in cases.values()]
    done = subprocess.run(
        [sys.executable, "-c", RUN_ALL],
        input=json.dumps(arguments), capture_output=True, text=True, timeout=120, check=False,
        preexec_fn=_limited,
    )  # fmt: skip
    results = [json.loads(line) for line in done.stdout.splitlines()]
    assert len(results) == len(cases), f"ended at '{list(cases)[len(results)]}': {done.stderr}"
    said = {}
    for (name, case), (status, text) in zip(cases.items(), results, strict=True):
        assert status == 2, f"'{name}': {status}: {text}"
        assert text.startswith(f"export: {case[-1]}"), f"'{name}': {text}"
        said[name] = text
    assert not out.exists()
    return said


def test_gguf_files_that_lie_are_refused(tmp_path: Path) -> None:
    cases: dict[str, list[Path | str]] = {}
    for i, (lie, (content, _)) in enumerate(GGUF.items()):
        cases[lie] = [tmp_path / f"{i}.gguf"]
        (tmp_path / f"{i}.gguf").write_bytes(content)
    said = _refusals(tmp_path, cases)
    for lie, (_, words) in GGUF.items():
        assert words in said[lie]


def test_numbers_that_no_gguf_model_has_are_refused(tmp_path: Path) -> None:
    whole = tmp_path / "whole.gguf"
    write_tiny_gguf(whole)
    content = whole.read_bytes()
    end, data = _data_start(content, content.index(_text(b"token_embd.weight")))
    cases: dict[str, list[Path | str]] = {}
    for i, (lie, (name, kind, value)) in enumerate(NUMBERS.items()):
        start = content.index(_text(name.encode())) + 8 + len(name)
        # A field of four bytes, as all of these are, is replaced by another of any length; the
        # padding after the tensors' names grows or shrinks by as much.
        header = content[:start] + struct.pack("<I", kind) + value + content[start + 8 : end]
        path = tmp_path / f"{i}.gguf"
        path.write_bytes(header + bytes(-len(header) % 32) + content[data:])
        cases[lie] = [path]
    _refusals(tmp_path, cases)


def _data_start(content: bytes, tensors: int) -> tuple[int, int]:
    """Return where the tensors' names end, and where their data begin."""
    count = struct.unpack_from("<Q", content, 8)[0]
    at = tensors
    for _ in range(count):
        at += 8 + struct.unpack_from("<Q", content, at)[0]
        at += 4 + 8 * struct.unpack_from("<I", content, at)[0] + 12
    return at, at + -at % 32


CONFIG = {"model_type": "gemma3_text", "num_hidden_layers": 2}
F32 = {"dtype": "F32", "shape": [2, 2], "data_offsets": [0, 16]}
EMBEDDING = {"model.embed_tokens.weight": F32}
DEEP = "[" * 200_000


def _folder(folder: Path, **texts: str) -> Path:
    """Write a checkpoint of one tensor, with other texts in some of its files."""
    folder.mkdir()
    write_raw(folder / "model.safetensors", EMBEDDING, [np.zeros(4, np.float32)])
    (folder / "config.json").write_text(json.dumps(CONFIG))
    for name, text in texts.items():
        (folder / name.replace("__", ".")).write_text(text)
    return folder


def _config(**changes: Any) -> dict[str, str]:
    return {"config__json": json.dumps(CONFIG | changes)}


INDEX = "model__safetensors__index__json"
FOLDERS: dict[str, dict[str, str]] = {
    "a deep configuration": {"config__json": DEEP},
    "a deep part of it": {"config__json": '{"model_type": "gemma3_text", "x": ' + DEEP},
    "a key twice": {"config__json": '{"model_type": "gemma3_text", "model_type": "gemma3_text"}'},
    "a configuration that is a list": {"config__json": "[]"},
    "a number of 5000 digits": {"config__json": '{"model_type": "gemma3_text", "x": ' + "9" * 5000},
    "10^18 layers": _config(num_hidden_layers=10**18),
    "infinite layers": {"config__json": '{"model_type": "gemma3", "num_hidden_layers": 1e999}'},
    "half a layer": _config(num_hidden_layers=1.5),
    "10^12 positions": _config(max_position_embeddings=10**12),
    "10^9 as a head's size": _config(head_dim=10**9),
    "a hidden size that is a fraction": _config(hidden_size=2.5),
    "kinds of layers that are a number": _config(layer_types=7),
    "kinds of layers that are lists": _config(layer_types=[[], []]),
    "a period that is a text": _config(sliding_window_pattern="6"),
    "a base that is a text": _config(rope_theta="x"),
    "a base that is a list": _config(rope_theta=[]),
    "a base below 0": _config(rope_theta=-5.0),
    "a deep index": {INDEX: DEEP},
    "an index of numbers": {INDEX: '{"weight_map": {"model.embed_tokens.weight": 5}}'},
    "an index that is a list": {INDEX: '{"weight_map": [["a", "b"]]}'},
    "an index to above": {INDEX: '{"weight_map": {"model.embed_tokens.weight": ".."}}'},
    "an index to elsewhere": {INDEX: '{"weight_map": {"model.embed_tokens.weight": "/etc/x"}}'},
    "an index to no name": {INDEX: '{"weight_map": {"model.embed_tokens.weight": "a\\u0000"}}'},
}


def test_folders_that_lie_are_refused(tmp_path: Path) -> None:
    _refusals(
        tmp_path,
        {lie: [_folder(tmp_path / f"{i}", **FOLDERS[lie])] for i, lie in enumerate(FOLDERS)},
    )


ADAPTERS: dict[str, str] = {
    "deep": DEEP,
    "a rank of 0": json.dumps({"peft_type": "LORA", "r": 0, "lora_alpha": 1}),
    "a rank that is a text": json.dumps({"peft_type": "LORA", "r": "8", "lora_alpha": 1}),
    "an endless pattern": json.dumps(
        {"peft_type": "LORA", "r": 1, "lora_alpha": 1, "rank_pattern": {"((.+)+)+!": 1}}
    ),
    "a pattern that is none": json.dumps(
        {"peft_type": "LORA", "r": 1, "lora_alpha": 1, "rank_pattern": {"(": 1}}
    ),
    "patterns that are a list": json.dumps(
        {"peft_type": "LORA", "r": 1, "lora_alpha": 1, "rank_pattern": ["x"]}
    ),
}


def test_adapters_that_lie_are_refused(tmp_path: Path) -> None:
    write_tiny_gguf(tmp_path / "m.gguf")
    key = "base_model.model.model.layers.0.self_attn.q_proj.lora_{}.weight"
    header = {
        key.format("A"): {"dtype": "F32", "shape": [1, 64], "data_offsets": [0, 256]},
        key.format("B"): {"dtype": "F32", "shape": [64, 1], "data_offsets": [256, 512]},
    }
    cases: dict[str, list[Path | str]] = {}
    for i, (lie, settings) in enumerate(ADAPTERS.items()):
        adapter = tmp_path / f"{i}"
        adapter.mkdir()
        (adapter / "adapter_config.json").write_text(settings)
        write_raw(adapter / "adapter_model.safetensors", header, [np.zeros(128, np.float32)])
        cases[lie] = [tmp_path / "m.gguf", "--adapter", adapter]
    _refusals(tmp_path, cases)


KINDS: dict[str, Callable[[Path], None]] = {
    "a pipe": os.mkfifo,
    "a folder": os.mkdir,
    "a device": lambda path: path.symlink_to("/dev/zero"),
    "a link to nowhere": lambda path: path.symlink_to("nowhere"),
    "a link to itself": lambda path: path.symlink_to(path.name),
}


def test_what_is_no_file_is_refused_at_once(tmp_path: Path) -> None:
    cases: dict[str, list[Path | str]] = {}
    for kind, make in KINDS.items():
        gguf = tmp_path / f"{kind}.gguf"
        make(gguf)
        cases[f"{kind} as .gguf"] = [gguf]
        for name in ("model.safetensors", "config.json"):
            folder = _folder(tmp_path / f"{kind} {name}")
            (folder / name).unlink()
            make(folder / name)
            cases[f"{kind} as {name}"] = [folder]
    _refusals(tmp_path, cases)
