"""Models and outputs in stores: what lies there in the end is what lies in a folder."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import onnxquant
import pytest
from manifests import POLICY, SHARD, files_in

fsspec = pytest.importorskip("fsspec")
from fsspec.implementations.memory import MemoryFile, MemoryFileSystem  # noqa: E402


@pytest.fixture
def store() -> Iterator[Any]:
    """Return an empty store."""
    yield from _emptied(fsspec.filesystem("memory"))


def _emptied(store: Any) -> Iterator[Any]:
    store.store.clear()
    store.pseudo_dirs[:] = [""]
    yield store
    store.store.clear()


class FailingFile(MemoryFile):  # type: ignore[misc]
    """A file that does not get its name, where its turn is `FailingStore.fails_at`."""

    def commit(self) -> None:
        """Get its name, or fail."""
        FailingStore.commits += 1
        if FailingStore.commits == FailingStore.fails_at:
            raise PermissionError("no such right")
        super().commit()


class FailingStore(MemoryFileSystem):  # type: ignore[misc]
    """A store that fails while files get their names, one after the other."""

    store: dict[str, Any] = {}  # noqa: RUF012
    pseudo_dirs = [""]  # noqa: RUF012
    protocol = "failing"
    fails_at = 0
    commits = 0

    @classmethod
    def _strip_protocol(cls, path: Any) -> Any:
        return super()._strip_protocol(str(path).removeprefix("failing://"))

    def _open(self, path: str, mode: str = "rb", **options: Any) -> Any:
        if "w" not in mode:
            return super()._open(path, mode, **options)
        file = FailingFile(self, self._strip_protocol(path), options.get("data"))
        if not self._intrans:
            file.commit()
        return file


@pytest.fixture
def failing_store() -> Iterator[Any]:
    """Return a store whose third file fails."""
    fsspec.register_implementation("failing", FailingStore, clobber=True)
    FailingStore.fails_at, FailingStore.commits = 3, 0
    yield from _emptied(fsspec.filesystem("failing"))


@pytest.fixture
def external(layers: Path) -> Path:
    """Return a model whose weights are in files beside it, some in a folder, and a config.json."""
    folder = layers.parent / "web" / "onnx"
    (folder / "data").mkdir(parents=True)
    model = onnx.load(layers)
    onnx.save(
        model,
        folder / "model.onnx",
        save_as_external_data=True,
        all_tensors_to_one_file=True,
        location="data/weights",
        size_threshold=0,
    )
    (folder.parent / "config.json").write_text('{"model_type": "mine"}\n')
    return folder / "model.onnx"


def _upload(model: Path, store: Any, place: str) -> str:
    """Put the folder above the model's into the store; return the model's URL."""
    root = model.parent.parent
    for file in root.rglob("*"):
        if file.is_file():
            store.pipe_file(f"{place}/{file.relative_to(root)}", file.read_bytes())
    return f"{place}/{model.relative_to(root)}"


def _files(store: Any, folder: str) -> dict[str, bytes]:
    return {Path(name).name: store.cat(name) for name in store.ls(folder, detail=False)
            if store.isfile(name)}  # fmt: skip


def test_a_model_in_a_store_is_converted_there(external: Path, store: Any) -> None:
    url = _upload(external, store, "memory://bucket/web")
    before = _files(store, "/bucket/web/onnx")
    report = onnxquant.quantize(url, POLICY, max_shard=SHARD)
    onnxquant.quantize(external, POLICY, max_shard=SHARD)
    assert _files(store, "/bucket/web/onnx") == files_in_folder(external.parent)
    assert len(_files(store, "/bucket/web/onnx")) > len(before) + 4
    config = store.cat("/bucket/web/config.json")
    assert config == (external.parent.parent / "config.json").read_bytes()
    assert "use_external_data_format" in json.loads(config)["transformers.js_config"]
    assert report.urls["fp16"] == "memory://bucket/web/onnx/model_fp16.onnx"
    assert report["input"] == url and "onnxquant-" not in json.dumps(report.to_dict())
    assert "memory://bucket/web/onnx" in report._repr_html_()
    with pytest.raises(onnxquant.UsageError, match="is no folder of this machine; see urls"):
        _ = report.paths


def files_in_folder(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in folder.iterdir() if path.is_file()}


def test_stores_and_folders_mix(external: Path, store: Any, tmp_path: Path) -> None:
    url = _upload(external, store, "memory://bucket/web")
    onnxquant.quantize(url, POLICY, output=tmp_path / "here", max_shard=SHARD)
    there = onnxquant.quantize(external, POLICY, output="memory://other/out", max_shard=SHARD)
    assert there["directory"] == "memory://other/out"
    assert _files(store, "/other/out") == files_in(tmp_path / "here")
    one = onnxquant.quantize(url, "fp16", output="memory://other/one/mine.onnx")
    assert one.urls == {"fp16": "memory://other/one/mine.onnx"}
    assert "mine.onnx" in _files(store, "/other/one")
    by_file = onnxquant.quantize(f"file://{external}", "fp16", output=f"file://{tmp_path}/new")
    assert by_file.urls["fp16"] == f"file://{tmp_path}/new/model_fp16.onnx"
    onnxquant.quantize(external, "fp16", output=tmp_path / "old")
    assert files_in(tmp_path / "new") == files_in(tmp_path / "old")


def test_what_stands_in_the_store_is_replaced_when_told(external: Path, store: Any) -> None:
    seen: list[int] = []
    onnxquant.quantize(external, "fp16", output="memory://out")
    old = _files(store, "/out")
    store.pipe_file("/out/model_fp16.onnx", b"mine")
    with pytest.raises(
        onnxquant.WriteError, match=r"^memory://out/model_fp16\.onnx: exists already; force=True"
    ):
        onnxquant.quantize(
            external, "fp16", output="memory://out", progress=lambda done, _: seen.append(done)
        )
    assert not seen, "it is refused before the work"
    onnxquant.quantize(external, "fp16", output="memory://out", force=True)
    assert _files(store, "/out") == old


@pytest.mark.parametrize("force", [False, True])
def test_a_store_that_fails_at_the_end_keeps_nothing_new(
    external: Path, store: Any, failing_store: Any, force: bool
) -> None:
    if force:
        failing_store.store["/out/model_fp16.onnx"] = MemoryFile(failing_store, "m", b"old")
    with pytest.raises(onnxquant.WriteError) as caught:
        onnxquant.quantize(external, POLICY, output="failing://out", max_shard=SHARD, force=force)
    assert str(caught.value).startswith("failing://out: cannot be written: PermissionError")
    assert ("may be new now: failing://out/model_fp16.onnx" in str(caught.value)) is force
    assert FailingStore.commits == 3
    assert set(failing_store.store) == ({"/out/model_fp16.onnx"} if force else set())
    FailingStore.fails_at = 0
    onnxquant.quantize(external, POLICY, output="failing://out", max_shard=SHARD, force=force)
    onnxquant.quantize(external, POLICY, output="memory://out", max_shard=SHARD)
    assert _files(failing_store, "/out") == _files(store, "/out")


def test_configurations_come_last(
    external: Path, failing_store: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    FailingStore.fails_at = 0
    _upload(external, failing_store, "failing://web")
    order: list[str] = []
    commit = FailingFile.commit

    def note(file: FailingFile) -> None:
        order.append(Path(file.path).name)
        commit(file)

    monkeypatch.setattr(FailingFile, "commit", note)
    onnxquant.quantize("failing://web/onnx/model.onnx", POLICY, max_shard=SHARD)
    kinds = [name == "config.json" or 2 * name.endswith(".onnx") for name in order]
    assert kinds == sorted(kinds, key=lambda kind: (kind == 1, kind == 2))
    assert order[-1] == "config.json" and order.count("config.json") == 1


def test_calibrations_are_made_and_read_in_stores(layers: Path, store: Any, tmp_path: Path) -> None:
    store.pipe_file("/in/model.onnx", layers.read_bytes())
    store.pipe_file("/in/t.jsonl", b"[1, 2, 3]\n[4, 5]\n")
    made = onnxquant.calibrate("memory://in/model.onnx", "memory://out/c", "memory://in/t.jsonl")
    here = onnxquant.calibrate(layers, tmp_path / "c", [[1, 2, 3], [4, 5]])
    assert store.cat("/out/c") == here.path.read_bytes()
    assert made["output"] == "memory://out/c"
    rule = "match: {calibrated: true}, method: gptq, optional: true"
    for calibration, folder in ((made, "there"), (here, "here")):
        onnxquant.quantize(
            layers, "q4", rules=rule, calibration=calibration, output=tmp_path / folder
        )
    assert files_in(tmp_path / "there") == files_in(tmp_path / "here")
    with pytest.raises(onnxquant.UsageError, match="is no file of this machine"):
        made.arrays()
    with pytest.raises(onnxquant.WriteError, match=r"^memory://out/c: exists already"):
        onnxquant.calibrate("memory://in/model.onnx", "memory://out/c", "memory://in/t.jsonl")


def test_inputs_are_read_from_stores(mlp: Path, store: Any, tmp_path: Path) -> None:
    np.save(tmp_path / "x.npy", np.ones((40, 64), np.float32))
    store.pipe_file("/in/x.npy", (tmp_path / "x.npy").read_bytes())
    onnxquant.calibrate(mlp, tmp_path / "a", inputs=["memory://in/x.npy"])
    onnxquant.calibrate(mlp, tmp_path / "b", inputs=tmp_path / "x.npy")
    assert (tmp_path / "a").read_bytes() == (tmp_path / "b").read_bytes()


def test_errors_name_the_place_and_the_remedy(
    layers: Path, store: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    with pytest.raises(onnxquant.ModelError, match=r"^memory://none/model\.onnx: cannot be read"):
        onnxquant.quantize("memory://none/model.onnx", "fp16")
    with pytest.raises(onnxquant.UsageError, match=r"ends in \.onnx"):
        onnxquant.quantize("memory://none", "fp16")
    store.pipe_file("/in/model.onnx", b"no model")
    with pytest.raises(onnxquant.ModelError, match=r"^memory://in/model\.onnx: "):
        onnxquant.quantize("memory://in/model.onnx", "fp16")
    with pytest.raises(onnxquant.UsageError, match=r"fsspec does not reach this store.*nostore"):
        onnxquant.quantize("nostore://in/model.onnx", "fp16")
    for call in (onnxquant.plan, onnxquant.check, onnxquant.inspect, onnxquant.ranges):
        with pytest.raises(onnxquant.UsageError, match="quantize and calibrate take URLs"):
            call("memory://in/model.onnx")
    with pytest.raises(onnxquant.UsageError, match="share a file system"):
        onnxquant.distributed.convert("memory://in/plan.json")
    monkeypatch.setitem(__import__("sys").modules, "fsspec.core", None)
    with pytest.raises(onnxquant.UsageError, match=r"pip install 'onnxquant\[fsspec\]'"):
        onnxquant.quantize("memory://in/model.onnx", "fp16")


@pytest.mark.parametrize("location", ["../weights", "/etc/passwd"])
def test_data_of_other_folders_is_not_fetched(external: Path, store: Any, location: str) -> None:
    model = onnx.load(external, load_external_data=False)
    for entry in model.graph.initializer[0].external_data:
        entry.value = location if entry.key == "location" else entry.value
    store.pipe_file("/in/model.onnx", model.SerializeToString())
    with pytest.raises(onnxquant.ModelError, match="lies outside of its folder"):
        onnxquant.quantize("memory://in/model.onnx", "fp16")
