"""Texts made to harm: each is refused in bounded time and memory, with a status and a place."""

import io
import json
import os
import resource
from collections.abc import Callable
from pathlib import Path

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper
from program import FP16, listing, policy, run, save, small_model

ADDRESS_SPACE = 4 << 30
DEEP = 200_000


def _limited() -> None:
    resource.setrlimit(resource.RLIMIT_AS, (ADDRESS_SPACE, ADDRESS_SPACE))
    resource.setrlimit(resource.RLIMIT_CPU, (60, 60))


def _npy(header: str, version: int = 1, length: int | None = None, data: bytes = b"") -> bytes:
    """Return a NumPy file whose header may say anything."""
    size = len(header) if length is None else length
    digits = 2 if version == 1 else 4
    return (
        b"\x93NUMPY"
        + bytes([version, 0])
        + size.to_bytes(digits, "little")
        + (header.encode() + data)
    )


def _shape(shape: str, data: bytes = bytes(32)) -> bytes:
    return _npy(f"{{'descr': '<i8', 'fortran_order': False, 'shape': {shape}, }}\n", data=data)


def _laughs() -> str:
    lines = ["policy: 1", "name: p", "a0: &a0 [x, x, x, x, x, x, x, x, x]"]
    lines += [f"a{i}: &a{i} [{', '.join([f'*a{i - 1}'] * 9)}]" for i in range(1, 30)]
    return "\n".join(lines)


def _rules(rule: str) -> str:
    return FP16 + f"rules:\n  - {rule}\n"


POLICIES: dict[str, tuple[str | bytes, tuple[str, ...]]] = {
    "a comma": (",", ("p.yaml:1:1: ", "','")),
    "a comma behind the document": (FP16 + ", b", ("p.yaml:5:1: ",)),
    "a flow mapping and more": ("{policy: 1}, b", ("p.yaml:1:12: found ', b'",)),
    "a closing brace too many": ("{policy: 1}}", ("p.yaml:1:12: ",)),
    "a second document": (FP16 + "---\n" + FP16, ("p.yaml:5:1: a second document",)),
    "a million brackets": ("[" * 1_000_000, ("p.yaml:1:", "nested deeper")),
    "a million braces": ("{" * 1_000_000, ("p.yaml:1:", "nested deeper")),
    "a million dashes": ("- " * 500_000, ("p.yaml:1:", "nested deeper")),
    "a million question marks": ("? " * 500_000, ("p.yaml:1:", "nested deeper")),
    "keys within keys": ("{a: " * 200_000, ("p.yaml:1:", "nested deeper")),
    "aliases of aliases": (_laughs(), ("p.yaml:", "each alias counted")),
    "an alias in itself": (
        "policy: &a [*a]",
        ("p.yaml:1:13: ", "within what it stands for"),
    ),
    "a merge key": (FP16 + "<<: {name: q}", ("p.yaml:5:1: found '<<'",)),
    "a hundred thousand keys": (
        "".join(f"k{i}: 1\n" for i in range(100_000)),
        ("p.yaml:1:1: found 'k0'",),
    ),
    "one key a hundred thousand times": (
        "name: p\n" * 100_000,
        ("p.yaml:2:1: ", "twice"),
    ),
    "a huge scalar": (
        FP16.replace("name: p", "name: " + "x" * 2_000_000),
        ("p.yaml: ", "larger"),
    ),
    "a huge word": (
        _rules("{match: {role: " + "x" * 900_000 + "}}"),
        ("p.yaml:6:20: ",),
    ),
    "half a million items": ("[" + "a," * 500_000 + "]", ("p.yaml:1:", "nodes")),
    "a NUL": (FP16 + "\0", ("p.yaml:5:1: ", "\\x00")),
    "an escaped NUL": (
        FP16.replace("name: p", 'name: "a\\0b"'),
        ("p.yaml:2:7: ", "NUL"),
    ),
    "an escape sequence": (FP16 + "# \x1b[2J", ("p.yaml:5:3: ", "\\x1b")),
    "no UTF-8": (FP16.encode() + b"# \xff", ("p.yaml:5:3: ", "\\xff")),
    "UTF-16": (FP16.encode("utf-16"), ("p.yaml:1:1: ",)),
    "a tab for indentation": (
        "policy: 1\nname: p\noutputs:\n\tfp16: {}\n",
        ("p.yaml:4:",),
    ),
    "an unknown anchor": (FP16.replace("name: p", "name: *p"), ("p.yaml:2:7: ",)),
    "a look-ahead": (
        _rules("{match: {regex: '(?=a)b'}, keep: true}"),
        ("p.yaml:6:21: ", "RE2", "no look-ahead"),
    ),
    "a back reference": (
        _rules(r"{match: {regex: '(a)\1'}, keep: true}"),
        ("p.yaml:6:21: ", "back references"),
    ),
    "a regular expression that grows": (
        _rules("{match: {regex: '((a{100}){100}){100}'}, keep: true}"),
        ("p.yaml:6:21: ", "repeat less"),
    ),
    "a long regular expression": (
        _rules("{match: {regex: '" + "a|" * 100_000 + "'}, keep: true}"),
        ("p.yaml:6:21: ", "at most 4096"),
    ),
}

RULES: dict[str, tuple[str, tuple[str, ...]]] = {
    "a brace too many": ("match: {op: Relu}}, compute: float32", ("--set:1:19: ",)),
    "a comma": (",", ("--set:1:",)),
    "brackets": ("[" * 50_000, ("--set:1:",)),
    "a second document": (
        "match: {op: Relu}, keep: true}\n---\n{a: 1",
        ("--set:2:1: ",),
    ),
    "an escape": ("match: {op: Relu}, keep: \x1b[2J", ("--set:1:26: ", "\\x1b")),
}

RANGES: dict[str, tuple[str | bytes, tuple[str, ...]]] = {
    "lists": ("[" * DEEP + "]" * DEEP, ("r.json:1:65: ", "nested")),
    "lists without an end": ("[" * 10_000_000, ("r.json:1:65: ", "nested")),
    "objects": ('{"values":' * DEEP + "1" + "}" * DEEP, ("r.json:1:", "nested")),
    "nested values": (
        '{"values": {"x": ' + '{"peak":' * DEEP + "1" + "}" * DEEP + "}}",
        ("r.json:1:", "nested"),
    ),
    "many values": ("[" + "1," * 5_000_000 + "1]", ("r.json:1:", "values")),
    "a number beyond double": (
        '{"values": {"x": {"peak": 1e999}}}',
        ("r.json:1:", "overflow"),
    ),
    "NaN": ('{"values": {"x": {"peak": NaN}}}', ("r.json:1:", "JSON")),
    "a value twice": (
        '{"values": {"x": {"peak": 1},\n"x": {"peak": 2}}}',
        ("r.json:2:3: 'x' stands twice",),
    ),
    "no UTF-8": (b'{"values": {"\xff": {"peak": 1}}}', ("r.json:1:", "UTF-8")),
    "a NUL": (
        '{"values": {"a\\u0000\\u001b": {"peak": -1}}}',
        ("r.json: ", "'a\\x00\\x1b'"),
    ),
    "a broken text": ('{"values"\n: }', ("r.json:2:3: ",)),
    "nothing": ("", ("r.json:1:1: ",)),
}

TOKENS: dict[str, tuple[str, str | bytes, tuple[str, ...]]] = {
    "deep lists": (
        "t.jsonl",
        "[1]\n" + "[" * DEEP + "]" * DEEP,
        ("t.jsonl:2:65: ", "nested"),
    ),
    "a token beyond int64": ("t.jsonl", "[18446744073709551615]", ("t.jsonl:1: ",)),
    "a word of ten megabytes": ("t.txt", "x" * 10_000_000, ("t.txt: token 1 is ",)),
    "escapes": ("t.txt", "1 \x1b[2J\0", ("t.txt: token 2 is '\\x1b[2J\\x00'",)),
    "too many sequences": ("t.jsonl", "[1]\n" * 1_100_000, ("t.jsonl:1048577: ",)),
    "a wide empty shape": (
        "t.npy",
        _shape("(3000000000, 0)"),
        ("t.npy: has 32 bytes of elements; its shape needs 0",),
    ),
    "an empty wide shape": (
        "t.npy",
        _shape(f"(0, {2**63})"),
        ("t.npy: its shape cannot be read",),
    ),
    "a shape that overflows": (
        "t.npy",
        _shape(f"({2**62}, 4)"),
        ("t.npy: ", "needs more"),
    ),
    "a negative shape": ("t.npy", _shape("(-1,)"), ("t.npy: ", "(-1,)", "expected")),
    "nested parentheses": ("t.npy", _shape("(" * 30_000 + ")" * 30_000), ("t.npy: ",)),
    "a header of 64 kB": ("t.npy", _npy("'descr': '" + "<" * 65_525), ("t.npy: ",)),
    "a header of 64 MB": (
        "t.npy",
        _npy("(" * (64 << 20), version=2),
        ("t.npy: ", "at most"),
    ),
    "a header without an end": (
        "t.npy",
        _npy("{", 2, 2**32 - 1),
        ("t.npy: ", "ends within"),
    ),
    "an unknown format": (
        "t.npy",
        _npy("{}      ", version=7),
        ("t.npy: ", "format 7"),
    ),
}


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Return a folder with a good model and a good policy."""
    save(small_model(), tmp_path)
    policy(tmp_path)
    return tmp_path


def _write(path: Path, content: str | bytes) -> None:
    path.write_bytes(content.encode() if isinstance(content, str) else content)


def _refused(folder: Path, status: int, words: tuple[str, ...], *arguments: str | Path) -> None:
    before = listing(folder)
    done = run(*arguments, folder / "model.onnx", preexec_fn=_limited)
    message = done.stderr
    assert done.returncode == status, message[:2000]
    assert done.stdout == ""
    assert message.startswith("onnxquant: ")
    assert len(message) < 2000
    for word in words:
        assert word in message
    assert not any(ord(letter) < 32 and letter != "\n" for letter in message)
    assert listing(folder) == before


@pytest.mark.parametrize("case", POLICIES)
def test_a_hostile_policy_is_refused(folder: Path, case: str) -> None:
    content, words = POLICIES[case]
    _write(folder / "p.yaml", content)
    _refused(folder, 3, words, "plan", "--policy", folder / "p.yaml")


@pytest.mark.parametrize("case", RULES)
def test_a_hostile_rule_is_refused(folder: Path, case: str) -> None:
    rule, words = RULES[case]
    _refused(folder, 3, words, "plan", "--policy", folder / "p.yaml", "--set", rule)


@pytest.mark.parametrize("case", RANGES)
@pytest.mark.parametrize("command", ["plan", "check"])
def test_hostile_ranges_are_refused(folder: Path, case: str, command: str) -> None:
    content, words = RANGES[case]
    _write(folder / "r.json", content)
    options = ("--policy", "fp16") if command == "plan" else ()
    _refused(folder, 1, words, command, *options, "--ranges", folder / "r.json")


@pytest.fixture(scope="module")
def decoder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a folder with a model that reads tokens."""
    folder = tmp_path_factory.mktemp("decoder")
    graph = helper.make_graph(
        [helper.make_node("Gather", ["table", "input_ids"], ["logits"])],
        "decoder",
        [helper.make_tensor_value_info("input_ids", TensorProto.INT64, [1, "n"])],
        [helper.make_tensor_value_info("logits", TensorProto.FLOAT, [1, "n", 4])],
        [onnx.numpy_helper.from_array(np.eye(4, dtype=np.float32), "table")],
    )
    opsets = [helper.make_opsetid("", 21)]
    save(helper.make_model(graph, opset_imports=opsets, ir_version=10), folder)
    return folder


@pytest.mark.parametrize("case", TOKENS)
def test_hostile_tokens_are_refused(decoder: Path, case: str) -> None:
    name, content, words = TOKENS[case]
    path = decoder / name
    _write(path, content)
    _refused(decoder, 1, words, "ranges", "--tokens", path)
    path.unlink()


@pytest.mark.parametrize("option", ["--policy", "--ranges"])
@pytest.mark.parametrize("place", ["/dev/zero", "/dev/full", ".", "fifo", "/proc/self/mem"])
def test_what_is_no_file_is_refused(folder: Path, option: str, place: str) -> None:
    """A pipe that nobody writes to is an empty text."""
    path = folder / place
    if place == "fifo":
        os.mkfifo(path)
    options = ("--policy", "fp16") if option == "--ranges" else ()
    status = 1 if option == "--ranges" else 3
    _refused(folder, status, (f"{path}:",), "plan", *options, option, path)


def test_a_policy_may_come_through_a_pipe(folder: Path) -> None:
    arguments = ("plan", "--policy", "/dev/stdin", folder / "model.onnx")
    done = run(*arguments, input=FP16, preexec_fn=_limited)
    assert done.returncode == 0, done.stderr
    assert done.stdout == run("plan", "--policy", folder / "p.yaml", folder / "model.onnx").stdout
    done = run(*arguments, input="a" * 3_000_000, preexec_fn=_limited)
    assert (done.returncode, done.stdout) == (3, "")
    assert "/dev/stdin: the policy file is larger than any" in done.stderr


def _edit_nothing(model: onnx.ModelProto) -> None:
    del model


def _long_names(model: onnx.ModelProto) -> None:
    for node in model.graph.node:
        node.name = "a" * 1_000_000 + node.name


@pytest.mark.parametrize("edit", [_edit_nothing, _long_names])
@pytest.mark.parametrize("regex", ["(a+)+$", "(a|aa)+$", "^(.*)*x$", "a{1000}"])
def test_regular_expressions_search_any_name(
    folder: Path, regex: str, edit: Callable[[onnx.ModelProto], None]
) -> None:
    model = small_model()
    edit(model)
    save(model, folder)
    rule = f"match: {{regex: '{regex}'}}, keep: true, optional: true"
    done = run(
        *(
            "plan",
            "-q",
            "--policy",
            folder / "p.yaml",
            "--set",
            rule,
            folder / "model.onnx",
        ),
        preexec_fn=_limited,
    )
    assert done.returncode == 0, done.stderr


CONTROL = "ev\x1b[2Jil\x07\n\0\u202e"


def test_names_reach_the_terminal_as_escapes(folder: Path) -> None:
    model = small_model()
    model.producer_name = CONTROL
    for node in model.graph.node:
        node.name += CONTROL
    model.graph.initializer[0].name = model.graph.node[0].input[1] = "w1" + CONTROL
    path = save(model, folder)
    shown = "ev\\x1b[2Jil\\x07\\n\\x00\\u202e"
    p = folder / "p.yaml"
    for arguments in (
        ("inspect", path),
        ("plan", "--policy", p, path),
        ("diff", path, save(small_model(), folder.parent)),
        (
            "plan",
            "--policy",
            p,
            "--set",
            "match: {op: Add}, constants: {overflow: clamp}",
            path,
        ),
    ):
        done = run(*arguments)
        assert done.returncode == 0, done.stderr
        assert shown in done.stdout
        assert not set("\x1b\x07\0\u202e") & set(done.stdout + done.stderr)
    done = run("plan", "--policy", p, "--set", 'match: {name: "\\e"}, keep: true', path)
    assert done.returncode == 3
    bad = small_model()
    bad.graph.node[0].op_type = "No" + CONTROL + "tail"
    bad.graph.node[0].domain = ""
    done = run("plan", "--policy", p, save(bad, folder))
    assert not set("\x1b\x07\0\u202e") & set(done.stdout + done.stderr)


@pytest.mark.parametrize("command", ["inspect", "plan", "check"])
def test_json_stays_json_whatever_a_name_holds(folder: Path, command: str) -> None:
    path = save(small_model(), folder)
    path.write_bytes(path.read_bytes().replace(b"first", b"\xff\xfe\x1b\x00\xc3"))
    options = ("--policy", folder / "p.yaml") if command == "plan" else ()
    done = run(command, *options, "--json", path)
    assert done.returncode == 0, done.stderr
    json.loads(done.stdout)


ODD_CONFIG = (
    b'{\r\n\t"rope_theta" : 1e5,\r\n\t"long":123456789012345678901234567890, "e": "\\u00e9\\/",'
    b'\r\n\t"eps": 1.0E-06,\r\n\t"long": -0\r\n}\r\n'
)


def test_the_bytes_of_config_json_that_are_not_ours_stay(folder: Path) -> None:
    save(small_model(), folder, external=True)
    config = folder / "config.json"
    config.write_bytes(ODD_CONFIG)
    arguments = ("-q", "--policy", folder / "p.yaml", "--force", folder / "model.onnx")
    assert run(*arguments).returncode == 0
    updated = config.read_bytes()
    start, end = ODD_CONFIG[: -len(b"\r\n}\r\n")], b"\r\n}\r\n"
    assert updated.startswith(start + b',\r\n\t"transformers.js_config": {')
    assert updated.endswith(end)
    added = json.load(io.BytesIO(updated))["transformers.js_config"]
    assert added == {"use_external_data_format": {"model_fp16.onnx": 1}}
    before = config.stat()
    assert run(*arguments).returncode == 0
    after = config.stat()
    assert (before.st_ino, before.st_mtime_ns) == (after.st_ino, after.st_mtime_ns)


@pytest.mark.parametrize(
    ("content", "words"),
    [
        ('{"a":' * DEEP + "1" + "}" * DEEP, ("config.json:1:", "nested")),
        (
            '{"transformers.js_config": {},\n"transformers.js_config": {}}',
            ("config.json:2:1: ",),
        ),
        ('{"a": tru}', ("config.json:1:", "not valid JSON")),
        ("[]", ("config.json: is not a JSON object",)),
        (" " * (17 << 20), ("config.json: ", "larger than any")),
    ],
)
def test_a_hostile_config_json_is_refused(
    folder: Path, content: str, words: tuple[str, ...]
) -> None:
    (folder / "config.json").write_text(content)
    _refused(folder, 2, (*words, "--no-config"), "-q", "--policy", folder / "p.yaml")
    done = run("check", folder / "model.onnx", preexec_fn=_limited)
    assert done.returncode in (0, 5), done.stderr
