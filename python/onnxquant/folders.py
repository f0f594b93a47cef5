"""Folders of models that belong together: one result that holds those of all."""

import os
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from onnxquant import _native
from onnxquant.errors import OnnxquantError, UsageError
from onnxquant.results import Check, Inspection, Plan, Report, Result, frame

if TYPE_CHECKING:
    import pandas

# "encoder*=fp16" and "embed_tokens=skip", or {"encoder*": "fp16", "embed_tokens": "skip"}.
AnySessions = str | Mapping[str, str] | Iterable[str]


def is_folder(model: Any) -> bool:
    """Return whether the model is a path, and that of a folder."""
    return isinstance(model, str | os.PathLike) and os.path.isdir(model)


def choices(sessions: AnySessions) -> list[str]:
    """Return what some models of a folder get instead, as `--session` takes it."""
    if isinstance(sessions, str):
        return [sessions]
    if isinstance(sessions, Mapping):
        return [f"{name}={policy}" for name, policy in sessions.items()]
    return list(sessions)


def _of_one(folder: str, models: Mapping[str, object], what: str) -> UsageError:
    names = ", ".join(models)
    return UsageError(f"{what} is of one model, and {folder} is a folder of {names}; see .models")


def _joined(folder: str, reports: Mapping[str, Report], agreed: str) -> dict[str, Any]:
    """Return the reports as one: each output says which model it is of."""
    all_data = [report.to_dict() for report in reports.values()]
    outputs = [
        {**output, "model": name}
        for name, data in zip(reports, all_data, strict=True)
        for output in data["outputs"]
    ]
    whole = {**all_data[0], "input": folder, "policy_choice": agreed, "outputs": outputs}
    for key in ("input_bytes", "bytes_read", "seconds"):
        whole[key] = sum(data[key] for data in all_data)
    return whole


class FolderReport(Report):
    """What a conversion of a folder has done: the outputs of all models, `models` by name."""

    def __init__(self, folder: str, reports: Mapping[str, Report], agreed: str) -> None:
        super().__init__(_joined(folder, reports, agreed))
        self._models = dict(reports)

    @property
    def models(self) -> dict[str, Report]:
        """Return the report of each model, by the model's name."""
        return dict(self._models)

    @property
    def paths(self) -> dict[str, Path]:
        """Return the .onnx file of each output, by its name without the ending."""
        files = [self.directory / output.files[0]["name"] for output in self.outputs]
        return {path.stem: path for path in files}

    def to_pandas(self) -> "pandas.DataFrame":
        """Return the weights of all outputs, a row each."""
        return _frame_of(self.models)

    def to_html(self, path: str | os.PathLike[str], ranges: Any = None) -> None:
        """Refuse: a page shows one model, `models[name].to_html(…)`."""
        raise _of_one(self["input"], self._models, "a page")


class FolderPlan(Plan):
    """Every decision about the models of a folder; `models` has the plan of each, by name."""

    def __init__(self, folder: str, plans: Mapping[str, Plan], agreed: str) -> None:
        Result.__init__(self, _joined(folder, plans, agreed))
        self._models = dict(plans)

    @property
    def models(self) -> dict[str, Plan]:
        """Return the plan of each model, by the model's name."""
        return dict(self._models)

    @property
    def paths(self) -> dict[str, Path]:
        """Return the .onnx file of each output, by its name without the ending."""
        files = [self.directory / output.files[0]["name"] for output in self.outputs]
        return {path.stem: path for path in files}

    def apply(
        self,
        *,
        force: bool = False,
        threads: int = 0,
        memory: int = 0,
        progress: Callable[[int, int], object] | None = None,
    ) -> FolderReport:
        """Write the files of one model after the other, of each all or none.

        The arguments are those of a single model's; `progress` is told of each model in turn.
        """
        reports: dict[str, Report] = {}
        for name, plan in self._models.items():
            try:
                reports[name] = plan.apply(
                    force=force, threads=threads, memory=memory, progress=progress
                )
            except OnnxquantError as error:
                if not reports:
                    raise
                before = f"{len(reports)} of {len(self._models)} models"
                raise type(error)(f"{error} ({before} had been converted before this)") from None
        return FolderReport(self["input"], reports, self.policy_choice)

    def save_manifest(self, path: str | os.PathLike[str], *, force: bool = False) -> None:
        """Refuse: a manifest is of one model, `models[name].save_manifest(…)`."""
        raise _of_one(self["input"], self._models, "a manifest")

    def to_pandas(self) -> "pandas.DataFrame":
        """Return the weights of all outputs, a row each."""
        return _frame_of(self.models)

    def to_html(self, path: str | os.PathLike[str], ranges: Any = None) -> None:
        """Refuse: a page shows one model, `models[name].to_html(…)`."""
        raise _of_one(self["input"], self._models, "a page")


def _frame_of(reports: Mapping[str, Report]) -> "pandas.DataFrame":
    return frame(
        {"model": name, "dtype": output.dtype, **row}
        for name, report in reports.items()
        for output in report.outputs
        for row in output.tensors
    )


class FolderCheck(Check):
    """What is wrong with the files of a folder; `models` has the check of each, by file name."""

    def __init__(self, folder: str, checks: Mapping[str, Check]) -> None:
        data = [check.to_dict() for check in checks.values()]
        findings = [
            {**row, "model": name} for name, check in checks.items() for row in check.findings
        ]
        whole = {**data[0], "path": folder, "policy": "", "dtype": "", "half_type": ""}
        whole["findings"] = sorted(findings, key=lambda row: str(row["severity"]) != "error")
        whole["ok"] = all(one["ok"] for one in data)
        whole["layers"] = max(one["layers"] for one in data)
        for key in ("errors", "warnings"):
            whole[key] = sum(one[key] for one in data)
        whole["command"] = "\n".join(one["command"] for one in data if one["command"])
        Result.__init__(self, whole)
        self._models = dict(checks)

    @property
    def models(self) -> dict[str, Check]:
        """Return the check of each file, by its name."""
        return dict(self._models)

    def fix(self, directory: str | os.PathLike[str] | None = None) -> FolderReport:
        """Convert each file that a conversion mends; see `Check.fix`."""
        broken = {name: check for name, check in self._models.items() if check.command}
        if not broken:
            raise UsageError(f"{self['path']}: there is nothing that a conversion mends")
        reports = {name: check.fix(directory) for name, check in broken.items()}
        return FolderReport(self["path"], reports, "")

    def to_html(self, path: str | os.PathLike[str]) -> None:
        """Refuse: a page shows one model, `models[name].to_html(…)`."""
        raise _of_one(self["path"], self._models, "a page")


class FolderInspection(Inspection):
    """What is in the models of a folder; `models` has the inspection of each, by name."""

    def __init__(self, folder: str, inspections: Mapping[str, Inspection]) -> None:
        models = {name: inspection.to_dict() for name, inspection in inspections.items()}
        super().__init__({"path": folder, "models": models, "checkpoint": None})
        self._models = dict(inspections)

    @property
    def models(self) -> dict[str, Inspection]:
        """Return the inspection of each model, by the model's name."""
        return dict(self._models)

    def to_pandas(self) -> "pandas.DataFrame":
        """Return the weights of all models, a row each."""
        return frame(
            {"model": name, **row}
            for name, inspection in self._models.items()
            for row in inspection["weights"]
        )

    def __repr__(self) -> str:
        return f"<Inspection of {self['path']}: {', '.join(self._models)}>"

    def _repr_html_(self) -> str:
        return "".join(inspection._repr_html_() for inspection in self._models.values())


def plan_folder(folder: str, options: _native.PlanOptions, sessions: AnySessions) -> FolderPlan:
    """Plan all models of the folder that `sessions` do not skip."""
    found, agreed = _native.sessions_of(folder, options, choices(sessions))
    plans = {
        name: Plan(_native.NativePlan(_native.Model(path), of_one)) for name, path, of_one in found
    }
    return FolderPlan(folder, plans, agreed)


def check_folder(folder: str, check: Callable[[str], Check]) -> FolderCheck:
    """Check every file of the folder, of whatever dtype: any of them may be loaded."""
    return FolderCheck(
        folder, {os.path.basename(path): check(path) for path in _native.find_models(folder)}
    )


def inspect_folder(folder: str, inspect: Callable[[str], Inspection]) -> FolderInspection:
    """Inspect the models of the folder, each by the file that conversions take."""
    return FolderInspection(
        folder, {name: inspect(path) for name, path in _native.find_sessions(folder)}
    )
