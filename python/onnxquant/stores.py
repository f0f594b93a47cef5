"""Files in stores that fsspec reaches (s3://…, gs://…, memory://…).

Models and what else is read are copied into a temporary folder; what was made there is put into the
store once it is whole. Paths without "://" go through here as they are.
"""

import json
import os
import shutil
import tempfile
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING, Any

from onnxquant.errors import ModelError, OnnxquantError, UsageError, WriteError
from onnxquant.results import Report

if TYPE_CHECKING:
    import onnx

# What is read beside a model, or above its folder where that is named onnx.
_CONFIGS = ("config.json", "generation_config.json", "preprocessor_config.json")
_BLOCK = 8 << 20


def is_url(path: Any) -> bool:
    """Return whether it names a place in a store."""
    return isinstance(path, str | os.PathLike) and "://" in os.fspath(path)


class Stage:
    """A temporary folder that stands for folders of stores."""

    def __init__(self, root: Path) -> None:
        self._root = root
        self._urls: dict[str, str] = {}  # of local folders
        self._outputs: list[Path] = []  # the outermost local folder of each
        self._before: dict[Path, bytes] = {}  # configurations of theirs, before the work

    def file(self, path: Any) -> Any:
        """Return a copy of a file to read; what is no URL as it is."""
        if not is_url(path):
            return path
        path = os.fspath(path)
        folder, _, name = path.rpartition("/")
        local = self._local(folder)
        _get(path, local / name)
        return str(local / name)

    def files(self, paths: Any) -> Any:
        """Return the same of a list, or of one."""
        return [self.file(path) for path in paths] if isinstance(paths, list) else self.file(paths)

    def model(self, path: Any) -> Any:
        """Return a copy of a model, with its data files and configurations beside it."""
        if not is_url(path):
            return path
        if not path.endswith(".onnx"):
            raise UsageError(f"{path}: expected the URL of a model's file, which ends in .onnx")
        local = Path(self.file(path))
        folder, _, _ = path.rpartition("/")
        for location in sorted(_data_files(local, path)):
            data = local.parent / location
            data.parent.mkdir(parents=True, exist_ok=True)
            _get(f"{folder}/{location}", data)
        self._get_configs(folder, local.parent)
        return str(local)

    def output(self, path: Any, beside: Any = None) -> Any:
        """Return where the output is to be written: a folder, or NAME.onnx in one.

        beside: of what it goes into the folder where the path is None.
        """
        if path is None and is_url(beside):
            path = beside.rpartition("/")[0]
        if not is_url(path):
            return path
        folder, _, name = path.rpartition("/")
        if not name.endswith(".onnx"):
            folder, name = path.rstrip("/"), ""
        local = self._output_folder(folder)
        self._get_configs(folder, local)
        self._before = {file: file.read_bytes() for file in self._made()}
        return str(local / name)

    def output_file(self, path: str | os.PathLike[str], force: bool) -> str:
        """Return where one file is to be written. Raises WriteError where it is there already."""
        path = os.fspath(path)
        if not is_url(path):
            return path
        folder, _, name = path.rpartition("/")
        local = self._output_folder(folder)
        self.check_new(local, [name], force)
        return str(local / name)

    def _output_folder(self, url: str) -> Path:
        local = self._new_local(url)  # what is read may be in the same folder of the store
        self._outputs.append(local.parent if str(local.parent) in self._urls else local)
        return local

    def check_new(self, local: str | os.PathLike[str], names: Iterable[str], force: bool) -> None:
        """Raise WriteError where a file that would be put into the store is there already."""
        url = self._urls.get(os.fspath(local))
        if url is None or force:
            return
        for name in names:
            if _exists(f"{url}/{name}", WriteError):
                raise WriteError(f"{url}/{name}: exists already; force=True replaces it")

    def put(self) -> None:
        """Put what was made into the store: data first, then models, config.json last."""
        made = [
            file
            for file in self._made()
            if file not in self._before or file.read_bytes() != self._before[file]
        ]
        made.sort(key=lambda file: (file.name in _CONFIGS, file.suffix == ".onnx", file.name))
        pairs = [(file, f"{self._urls[str(file.parent)]}/{file.name}") for file in made]
        if pairs:
            _put(pairs)

    def report(self, report: Report) -> Report:
        """Return the report of what was put into a store, with its places there."""
        if not self._urls:
            return report
        return Report(json.loads(self.told(json.dumps(report.to_dict()))))

    def told(self, text: str) -> str:
        """Return a text of the native part with URLs in the place of the temporary folder."""
        for local, url in sorted(self._urls.items(), key=lambda pair: -len(pair[0])):
            text = text.replace(local, url)
        return text

    def _local(self, url: str) -> Path:
        """Return the local folder that stands for a folder of a store."""
        known = (local for local, of in self._urls.items() if of == url)
        return Path(next(known, None) or self._new_local(url))

    def _new_local(self, url: str) -> Path:
        """Make one of the same name, as that above it is: what is made of a model asks for both."""
        names = [name for name in url.partition("://")[2].split("/") if name] or ["store"]
        local = self._root.joinpath(str(len(self._urls)), *names[-2:])
        local.mkdir(parents=True)
        self._urls[str(local)] = url
        if local.name == "onnx" and len(names) > 1:
            self._urls[str(local.parent)] = url.rpartition("/")[0]
        return local

    def _get_configs(self, url: str, local: Path) -> None:
        places = [(url, local)]
        if str(local.parent) in self._urls:
            places.append((self._urls[str(local.parent)], local.parent))
        for above, folder in places:
            for name in _CONFIGS:
                if not (folder / name).exists() and _exists(f"{above}/{name}", ModelError):
                    _get(f"{above}/{name}", folder / name)

    def _made(self) -> list[Path]:
        return [file for folder in self._outputs for file in folder.rglob("*") if file.is_file()]


@contextmanager
def staging() -> Iterator[Stage]:
    """Give a stage, which goes at the end; errors name places in the store."""
    with tempfile.TemporaryDirectory(prefix="onnxquant-") as folder:
        stage = Stage(Path(folder))
        try:
            yield stage
        except OnnxquantError as error:
            raise type(error)(stage.told(str(error))) from error.__cause__


def _at(url: str) -> tuple[Any, str]:
    """Return the store, and what it calls the place."""
    try:
        from fsspec.core import url_to_fs
    except ImportError as error:
        raise UsageError(
            f"{url}: files in stores are read and written with fsspec, which is not installed: "
            "pip install 'onnxquant[fsspec]'"
        ) from error
    try:
        store, path = url_to_fs(url)
        return store, path
    except (ImportError, ValueError) as error:
        raise UsageError(f"{url}: fsspec does not reach this store: {error}") from error


@contextmanager
def _told(url: str, kind: type[OnnxquantError], what: str) -> Iterator[None]:
    try:
        yield
    except OnnxquantError:
        raise
    except Exception as error:  # stores raise what they like
        raise kind(f"{url}: {what}: {type(error).__name__}: {error}") from error


def _exists(url: str, kind: type[OnnxquantError]) -> bool:
    with _told(url, kind, "cannot be looked for"):
        store, path = _at(url)
        return bool(store.exists(path))


def _get(url: str, local: Path) -> None:
    with _told(url, ModelError, "cannot be read"):
        store, path = _at(url)
        store.get_file(path, str(local))


def _put(pairs: list[tuple[Path, str]]) -> None:
    """Put files into one store, all or none as far as it can: it may fail among the last steps.

    They get their names together at the end of fsspec's transaction. Where that fails half way,
    those that were not there before are removed.
    """
    old = [url for _, url in pairs if _exists(url, WriteError)]
    store, _ = _at(pairs[0][1])
    place = ""
    try:
        with store.transaction:
            for local, url in pairs:
                place = url
                path = _at(url)[1]
                store.makedirs(path.rpartition("/")[0], exist_ok=True)
                with local.open("rb") as source, store.open(path, "wb") as target:
                    shutil.copyfileobj(source, target, _BLOCK)
            place = place.rpartition("/")[0]
    except Exception as error:  # stores raise what they like
        for _, url in pairs:
            if url not in old:
                with suppress(Exception):
                    store.rm_file(_at(url)[1])
        check = f"; files that stood there may be new now: {', '.join(old)}" if old else ""
        raise WriteError(
            f"{place}: cannot be written: {type(error).__name__}: {error}; the files that were new "
            f"were removed again{check}"
        ) from error


def _data_files(path: Path, url: str) -> set[str]:
    """Return the names of a model's data files. Raises ModelError for those of other folders."""
    import onnx

    try:
        model = onnx.load(str(path), load_external_data=False)
    except Exception:  # whatever is wrong with it, the native part says
        return set()
    names = set()
    for tensor in _tensors(model):
        for entry in tensor.external_data:
            if entry.key == "location":
                names.add(entry.value)
    for name in names:
        if PurePosixPath(name).is_absolute() or ".." in PurePosixPath(name).parts or "\\" in name:
            raise ModelError(f"{url}: its data {json.dumps(name)} lies outside of its folder")
    return names


def _tensors(message: Any) -> Iterator["onnx.TensorProto"]:
    """Return all tensors of a message, whatever field they are in."""
    import onnx

    if isinstance(message, onnx.TensorProto):
        yield message
        return
    for field, value in message.ListFields():
        if field.message_type is not None:
            repeated = hasattr(value, "add")
            for inner in value if repeated else [value]:
                yield from _tensors(inner)
