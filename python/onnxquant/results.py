"""What the functions of the package return: plain data that shows itself in notebooks."""

import copy
import json
import os
from collections.abc import Callable, Iterable, Iterator
from html import escape
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self

from onnxquant import _native
from onnxquant.errors import UsageError
from onnxquant.html import preformatted, table

if TYPE_CHECKING:
    import pandas

Rows = list[dict[str, Any]]


def frame(rows: Iterable[dict[str, Any]]) -> "pandas.DataFrame":
    """Return a pandas.DataFrame of the rows. Raises ImportError where pandas is missing."""
    try:
        import pandas
    except ImportError as error:
        raise ImportError(
            "to_pandas() needs pandas: pip install pandas (or onnxquant[pandas])"
        ) from error
    return pandas.DataFrame(list(rows))


class Result:
    """Data as the command line's --json prints it."""

    def __init__(self, data: dict[str, Any]) -> None:
        self._data = data

    def to_dict(self) -> dict[str, Any]:
        """Return a copy of everything as dicts, lists, strings and numbers."""
        return copy.deepcopy(self._data)

    def to_json(self, path: str | os.PathLike[str]) -> None:
        """Write everything as JSON."""
        Path(path).write_text(json.dumps(self._data, indent=2) + "\n", encoding="utf-8")

    def __getitem__(self, key: str) -> Any:
        return self._data[key]

    def __iter__(self) -> Iterator[str]:
        return iter(self._data)

    def __contains__(self, key: object) -> bool:
        return key in self._data

    def keys(self) -> Iterable[str]:
        """Return the keys of `to_dict()`, so that `dict(result)` is it."""
        return self._data.keys()


class Output(Result):
    """One output of a plan or a conversion: its files, and a row for each weight and node."""

    @property
    def dtype(self) -> str:
        """Return "fp16", "q4", "q4f16" …."""
        return str(self._data["dtype"])

    @property
    def bytes(self) -> int:
        """Return the size of its files together."""
        return int(self._data["bytes"])

    @property
    def casts(self) -> int:
        """Return how many Cast nodes are put in."""
        return int(self._data["casts"])

    @property
    def files(self) -> Rows:
        """Return {"name", "bytes"} of each file, the .onnx file first."""
        return list(self._data["files"])

    @property
    def tensors(self) -> Rows:
        """Return a row for each weight: name, shape, role, layer, format, bytes, why."""
        return list(self._data["tensors"])

    @property
    def nodes(self) -> Rows:
        """Return a row for each node whose arithmetic is decided."""
        return list(self._data["nodes"])

    @property
    def values(self) -> Rows:
        """Return a row for each float input and output of the graph."""
        return list(self._data["values"])

    @property
    def warnings(self) -> list[str]:
        """Return what the user should know."""
        return list(self._data["warnings"])

    def by_role(self) -> Rows:
        """Return the weights by role and format: their count, and bytes before and after."""
        groups: dict[tuple[str, str], dict[str, Any]] = {}
        for row in self.tensors:
            key = (row["role"] or "other", row["format"])
            group = groups.setdefault(
                key,
                {"role": key[0], "format": key[1], "tensors": 0, "input_bytes": 0, "bytes": 0},
            )
            group["tensors"] += 1
            group["input_bytes"] += row["input_bytes"]
            group["bytes"] += row["bytes"]
        return sorted(groups.values(), key=lambda group: -group["bytes"])

    def to_pandas(self) -> "pandas.DataFrame":
        """Return the weights, a row each."""
        return frame(self.tensors)

    def __repr__(self) -> str:
        return f"<Output {self.dtype}: {len(self.tensors)} weights, {self.bytes:,} bytes>"

    def _repr_html_(self) -> str:
        rows = self.by_role()
        keys = ("role", "format", "tensors", "input_bytes", "bytes")
        caption = (
            f"{self.dtype}: {self.bytes:,} bytes in {len(self.files)} files; {self.casts} casts"
        )
        return table(keys, ([row[key] for key in keys] for row in rows), caption)


class Report(Result):
    """What a conversion has done, or (of a plan) will do."""

    @property
    def outputs(self) -> list[Output]:
        """Return the outputs, in the policy's order."""
        return [Output(output) for output in self._data["outputs"]]

    def output(self, dtype: str) -> Output:
        """Return the output of this dtype."""
        for output in self.outputs:
            if output.dtype == dtype:
                return output
        known = ", ".join(output.dtype for output in self.outputs)
        raise UsageError(f"there is no output '{dtype}'; there are {known}")

    @property
    def policy_choice(self) -> str:
        """Return why this policy, where it was left open ("auto"); "" where it was not."""
        return str(self._data["policy_choice"])

    @property
    def directory(self) -> Path:
        """Return where the files are. Raises UsageError where that is in a store: see `urls`."""
        if "://" in self._data["directory"]:
            raise UsageError(f"{self._data['directory']}: is no folder of this machine; see urls")
        return Path(self._data["directory"])

    @property
    def paths(self) -> dict[str, Path]:
        """Return the .onnx file of each dtype."""
        return {o.dtype: self.directory / o.files[0]["name"] for o in self.outputs}

    @property
    def urls(self) -> dict[str, str]:
        """Return where the .onnx file of each dtype is, as text: of outputs in a store its URL."""
        return {o.dtype: f"{self._data['directory']}/{o.files[0]['name']}" for o in self.outputs}

    @property
    def warnings(self) -> list[str]:
        """Return what the user should know of any output."""
        return [warning for output in self.outputs for warning in output.warnings]

    def why(self, name: str, dtype: str | None = None) -> list[str]:
        """Return the reasons for a weight, node, input or output; the last that decides wins."""
        for output in self.outputs if dtype is None else [self.output(dtype)]:
            for row in (*output.tensors, *output.nodes, *output.values):
                if row["name"] == name:
                    return list(row["why"])
        raise UsageError(f"there is no weight, node, input or output '{name}'")

    def to_pandas(self) -> "pandas.DataFrame":
        """Return the weights of all outputs, a row each."""
        return frame(
            {"dtype": output.dtype, **row} for output in self.outputs for row in output.tensors
        )

    def to_html(self, path: str | os.PathLike[str], ranges: "Ranges | None" = None) -> None:
        """Write the report as a page of its own, with charts, that asks the network for nothing."""
        measured = "" if ranges is None else json.dumps(ranges.to_dict())
        page = _native.to_html(json.dumps(self._data), measured, "", "")
        Path(path).write_text(page, encoding="utf-8")

    def __repr__(self) -> str:
        sizes = ", ".join(f"{o.dtype} {o.bytes:,} bytes" for o in self.outputs)
        return f"<{type(self).__name__} of {self._data['input']}: {sizes}>"

    def _repr_html_(self) -> str:
        data = self._data
        source = f"{data['input']}: {data['input_bytes']:,} bytes, to {data['directory']}"
        rows = (
            [o.dtype, o.bytes, o.bytes / self._data["input_bytes"], o.casts, len(o.warnings)]
            for o in self.outputs
        )
        head = table(("dtype", "bytes", "of the input", "casts", "warnings"), rows, source)
        return head + "".join(output._repr_html_() for output in self.outputs)


class Plan(Report):
    """Every decision about a model, before anything is written. Sizes are exact."""

    def __init__(self, native: _native.NativePlan) -> None:
        super().__init__(json.loads(native.report()))
        self._native = native

    def apply(
        self,
        *,
        force: bool = False,
        threads: int = 0,
        memory: int = 0,
        progress: Callable[[int, int], object] | None = None,
    ) -> Report:
        """Write the files: all or none. The same plan gives the same bytes.

        force: replace existing files. threads: 0 for one per core. memory: bytes of working
        buffers; 0 for 128 MiB. progress: called with the bytes of weights done and in all.
        Raises UsageError, WriteError, or ModelError for damaged weights.
        """
        if threads < 0 or memory < 0:
            raise UsageError(f"threads={threads}, memory={memory}: expected at least 0")
        return Report(json.loads(self._native.apply(force, threads, memory, progress)))

    def save_manifest(self, path: str | os.PathLike[str], *, force: bool = False) -> None:
        """Save the plan as a manifest, to apply it in parts on many machines.

        See `onnxquant.apply_manifest`. The model must be a file. force: replace an existing file.
        Raises UsageError or WriteError.
        """
        self._native.save_manifest(os.fspath(path), force)


class PartResult(Result):
    """What a part of a manifest did: its data files, each with its SHA-256."""

    @property
    def files(self) -> Rows:
        """Return {"name", "bytes", "sha256", "was_done"} of each data file."""
        return list(self._data["files"])

    @property
    def bytes(self) -> int:
        """Return the size of its files together."""
        return sum(int(row["bytes"]) for row in self.files)

    def __repr__(self) -> str:
        data = self._data
        return (
            f"<PartResult {data['part']}/{data['of']}: {len(self.files)} data files, "
            f"{self.bytes:,} bytes>"
        )


class Inspection(Result):
    """What is in a model."""

    def to_pandas(self) -> "pandas.DataFrame":
        """Return the weights, a row each."""
        return frame(self._data["weights"])

    @property
    def lost(self) -> Rows:
        """Return a row for each tensor of the checkpoint whose training the model lacks."""
        lost = ("differs", "replaced", "missing")
        tensors = (self._data["checkpoint"] or {"tensors": []})["tensors"]
        return [row for row in tensors if row["fate"] in lost]

    def __repr__(self) -> str:
        data = self._data
        return f"<Inspection of {data['path']}: {data['nodes']} nodes, {data['layers']} layers>"

    def _repr_html_(self) -> str:
        data = self._data
        caption = (
            f"{data['path']}: {data['nodes']} nodes, {data['layers']} layers, "
            f"{', '.join(data['opsets'])}"
        )
        roles = table(
            ("role", "nodes", "example"),
            ([row["role"], row["nodes"], row["example"]] for row in data["roles"]),
            caption,
        )
        hazards = [
            [row["hazard"], row["nodes"], row["examples"][0]["why"]] for row in data["hazards"]
        ]
        return roles + (table(("hazard", "nodes", "why"), hazards) if hazards else "")


class Check(Result):
    """What is wrong with a model."""

    def __init__(self, data: dict[str, Any], mend: Callable[[str, str, str], Report]) -> None:
        super().__init__(data)
        self._mend = mend

    @property
    def findings(self) -> Rows:
        """Return a row for each kind of fault, errors first: kind, severity, place, evidence …."""
        return list(self._data["findings"])

    @property
    def ok(self) -> bool:
        """Return whether there is no error; warnings are decided by data that no file holds."""
        return bool(self._data["ok"])

    @property
    def command(self) -> str:
        """Return the command that mends what a conversion can mend; "" for none."""
        return str(self._data["command"])

    def fix(self, directory: str | os.PathLike[str] | None = None) -> Report:
        """Convert the model as the check recommends, into the folder 'fixed' beside it if None.

        Raises UsageError where there is nothing that a conversion mends, and what quantize raises.
        """
        if not self.command:
            raise UsageError(f"{self._data['path']}: there is nothing that a conversion mends")
        beside = Path(self._data["path"]).parent / "fixed"
        folder = os.fspath(beside if directory is None else directory)
        return self._mend(self._data["policy"], self._data["dtype"], folder)

    def to_pandas(self) -> "pandas.DataFrame":
        """Return the findings, a row each."""
        return frame(self.findings)

    def to_html(self, path: str | os.PathLike[str]) -> None:
        """Write the report as a page of its own that asks the network for nothing."""
        page = _native.to_html("", "", "", json.dumps(self._data))
        Path(path).write_text(page, encoding="utf-8")

    def __repr__(self) -> str:
        found = ", ".join(f"{row['severity']} {row['kind']}" for row in self.findings)
        return f"<Check of {self._data['path']}: {found or 'nothing wrong was found'}>"

    def _repr_html_(self) -> str:
        keys = ("severity", "kind", "count", "place", "layer", "evidence", "remedy")
        rows = ([row[key] for key in keys] for row in self.findings)
        return table(keys, rows, repr(self)[1:-1]) + preformatted(self.command)


class Diff(Result):
    """How two models differ."""

    @property
    def empty(self) -> bool:
        """Return whether they do not."""
        return bool(self._data["equal"])

    @property
    def summary(self) -> list[str]:
        """Return what matters, in sentences that call the models A and B: what breaks one first."""
        return list(self._data["summary"])

    def to_pandas(self) -> "pandas.DataFrame":
        """Return the weights that differ, a row each."""
        return frame(self._data["weights"])

    def __repr__(self) -> str:
        found = {
            "operators": self._data["ops"],
            "nodes": [
                *self._data["only_first_nodes"],
                *self._data["only_second_nodes"],
                *self._data["nodes"],
            ],
            "types": self._data["types"],
            "weights": [
                *self._data["only_first_weights"],
                *self._data["only_second_weights"],
                *self._data["weights"],
            ],
            "inputs or outputs": self._data["interface"],
            "opsets": self._data["opsets"],
            "IR versions": [self._data["ir_version"]] if self._data["ir_version"] else [],
        }
        parts = [f"{len(rows)} {name}" for name, rows in found.items() if rows]
        head = f"<Diff: {', '.join(parts)} differ>" if parts else "<Diff: equal>"
        return "\n".join([head, *(f"- {sentence}" for sentence in self.summary)])

    def _repr_html_(self) -> str:
        words = "".join(f"<li>{escape(sentence)}</li>" for sentence in self.summary)
        summary = f"<p>What matters</p><ul>{words}</ul>" if words else ""
        sizes = self._data["graph_bytes"]
        parts = [row for row in sizes["parts"] if row["first"] != row["second"]]
        graph = table(
            ("bytes of the .onnx file", "A", "B"),
            (
                *([row["part"], row["first"], row["second"]] for row in parts),
                ["together", sizes["first"], sizes["second"]],
            ),
        )
        ops = table(
            ("operator", "first", "second"),
            ([row["op"], row["first"], row["second"]] for row in self._data["ops"]),
        )
        weights = table(
            ("weight", "first", "second", "SQNR dB", "largest error"),
            (
                [w["name"], w["first"], w["second"], w.get("sqnr_db"), w.get("max_abs")]
                for w in self._data["weights"]
            ),
        )
        nodes = table(
            ("node", "differs in"),
            ([row["name"], row["differs_in"]] for row in self._data["nodes"]),
        )
        return summary + ops + nodes + weights + (graph if parts else "")


class Ranges(Result):
    """What the float values inside a model came to when it ran."""

    @property
    def values(self) -> dict[str, dict[str, Any]]:
        """Return peak, min, max, percentiles and the share beyond float16 of each value."""
        return dict(self._data["values"])

    def rows(self) -> Rows:
        """Return the values as rows, producers before consumers."""
        return [{"name": name, **value} for name, value in self.values.items()]

    def overflowing(self, limit: float = 65504.0) -> Rows:
        """Return the values that float16 cannot hold; masks (beyond 1e30) are none."""
        return [row for row in self.rows() if limit < row["peak"] < 1e30]

    def to_pandas(self) -> "pandas.DataFrame":
        """Return the values, a row each."""
        return frame(self.rows())

    def __repr__(self) -> str:
        return f"<Ranges: {len(self.values)} values, {len(self.overflowing())} beyond float16>"

    def _repr_html_(self) -> str:
        worst = sorted((r for r in self.rows() if r["peak"] < 1e30), key=lambda row: -row["peak"])
        keys = ("name", "op", "layer", "peak", "p99_9", "beyond_fp16")
        return table(keys, ([row[key] for key in keys] for row in worst[:20]), repr(self)[1:-1])


class Verification(Result):
    """How far candidates are from a reference."""

    @classmethod
    def from_json(cls, text: str) -> Self:
        """Take what the native part gives."""
        return cls(json.loads(text))

    @property
    def passed(self) -> bool:
        """Return whether all candidates run, are finite, and keep to the thresholds."""
        return bool(self._data["passed"])

    @property
    def results(self) -> Rows:
        """Return a dict for each candidate on each provider."""
        return list(self._data["results"])

    def _rows(self) -> Rows:
        rows = []
        for result in self.results:
            start = {key: result[key] for key in ("model", "provider", "passed")}
            why = "; ".join(
                [*result["failures"], *(result[k] for k in ("error", "first_bad") if k in result)]
            )
            if "language" in result:
                language = result["language"]
                figures = {k: language[k] for k in ("kl_mean", "kl_p99", "top1", "top5")}
                figures |= {
                    "perplexity": language["perplexity"]["value"],
                    "nan": language["nan"],
                    "inf": language["inf"],
                }
                rows.append({**start, **figures, "why": why})
                continue
            for output in result.get("outputs", [{}]):
                rows.append({**start, **{f"output_{k}": v for k, v in output.items()}, "why": why})
        return rows

    def to_pandas(self) -> "pandas.DataFrame":
        """Return a row for each candidate on each provider (and each output, without logits)."""
        return frame(self._rows())

    def to_html(self, path: str | os.PathLike[str]) -> None:
        """Write the report as a page of its own, with charts, that asks the network for nothing."""
        page = _native.to_html("", "", json.dumps(self._data), "")
        Path(path).write_text(page, encoding="utf-8")

    def __repr__(self) -> str:
        marks = ", ".join(
            f"{Path(r['model']).name} on {r['provider']} "
            + ("✓" if r["passed"] else f"✗ ({'; '.join(r['failures'])})")
            for r in self.results
        )
        return f"<Verification against {self._data['reference']}: {marks}>"

    def _repr_html_(self) -> str:
        rows = self._rows()
        for row in rows:
            row["passed"] = "✓" if row["passed"] else "✗"
        keys = list(dict.fromkeys(key for row in rows for key in row))
        caption = f"against {self._data['reference']}, {self._data['tokens']} tokens"
        return table(keys, ([row.get(key) for key in keys] for row in rows), caption)


class Recovery(Result):
    """What was done after a run that was killed: lists of paths."""

    @property
    def completed(self) -> list[str]:
        """Return the files of sets that are new as a whole."""
        return list(self["completed"])

    @property
    def restored(self) -> list[str]:
        """Return the files of sets that are old as a whole."""
        return list(self["restored"])

    @property
    def removed(self) -> list[str]:
        """Return the temporary files of processes that have ended."""
        return list(self["removed"])

    def __bool__(self) -> bool:
        return any(map(bool, (self.completed, self.restored, self.removed)))

    def __repr__(self) -> str:
        named = (("completed", self.completed), ("taken back", self.restored))
        rows = [(what, path) for what, paths in named for path in paths]
        rows += [("removed", path) for path in self.removed]
        return "\n".join(f"{what}: {path}" for what, path in rows) or "nothing to recover"
