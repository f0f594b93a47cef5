"""Planning, converting, and looking at models."""

import json
import os
from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

from onnxquant import _native
from onnxquant.arguments import (
    AUTO,
    AnyPath,
    AnyPolicy,
    AnyRanges,
    AnyRules,
    Progress,
    plan_options,
    ranges_file,
)
from onnxquant.errors import UsageError
from onnxquant.folders import (
    AnySessions,
    check_folder,
    choices,
    inspect_folder,
    is_folder,
    plan_folder,
)
from onnxquant.models import native_model
from onnxquant.results import Check, Diff, Inspection, Plan, Recovery, Report
from onnxquant.stores import staging

if TYPE_CHECKING:
    from onnxquant.calibration import Calibration


def plan(
    model: Any,
    policy: AnyPolicy = AUTO,
    *,
    dtypes: Iterable[str] = (),
    output: AnyPath | None = None,
    rules: AnyRules = (),
    targets: Iterable[str] = (),
    io: str | None = None,
    ranges: AnyRanges | None = None,
    calibration: "AnyPath | Calibration | None" = None,
    max_shard: int = 1_900_000_000,
    max_growth: float = 8,
    update_config: bool = True,
    model_path: AnyPath | None = None,
    sessions: AnySessions = (),
) -> Plan:
    """Decide what becomes of every weight and node; write nothing.

    model: a path, an onnx.ModelProto or an onnx_ir.Model. An ir.Model's weights are read where
        they lie: do not change them before the plan is applied. A ModelProto's are copied once,
        since protobuf gives them out no other way. Or a folder of models that belong together, as
        Transformers.js and optimum lay it out: then all are planned, and `models` has each plan.
    policy: a built-in policy's name, a YAML file, a dict, or a Policy; "auto" for the built-in one
        that suits the model's family, which the plan's `policy_choice` gives the reason for.
    dtypes: only these of the policy's outputs ("fp16", "q4", "q4f16" …); all if empty.
    output: the folder for the files, or, of one output, its file, NAME.onnx; beside the model if
        None. A model in memory needs one.
    rules: more rules, as `--set` takes them: "match: {role: norm}, compute: float32"; or as dicts.
    targets: where the outputs are to run ("webgpu", "transformers.js@4.3"), in place of the
        policy's own targets: what one of them cannot run is an error, or decided otherwise.
    io: "float32", "float16", "bfloat16", or "keep" (each as in the model): the type of float
        inputs and outputs, in place of all that the policy says of them. Logits become float32
        unless they are kept, or `rules` name them.
    ranges: what `onnxquant.ranges` measured, or a JSON file of it.
    calibration: what `onnxquant.calibrate` summed up of this model, or its file, for policies
        whose method reads statistics.
    max_shard: bytes of one external data file; browsers need less than 2 GB, and a tensor that is
        larger can be for other programs only.
    max_growth: the most an output may take, in multiples of the model: tensors that share their
        data each get their own.
    update_config: keep config.json's transformers.js_config up to date.
    model_path: where a model in memory would lie; its name names the files.
    sessions: of a folder, another policy for models of some names, or none at all:
        {"encoder*": "fp16", "decoder*": "q4f16:fp16,q4f16", "embed_tokens": "skip"}. Without it,
        and without a policy, all models get one, so that what one gives fits what another takes.

    Raises UsageError, ModelError or PolicyError.
    """
    folder = os.fspath(model) if is_folder(model) else None
    if folder is None and choices(sessions):
        raise UsageError("sessions are of the models in a folder, and the model is none")
    native, is_file = native_model(model, model_path)
    if output is None and not is_file:
        raise UsageError("a model in memory needs output=, the folder for the files")
    options = plan_options(policy, dtypes=dtypes, rules=rules, calibration=calibration)
    options.targets = [targets] if isinstance(targets, str) else list(targets)
    options.io = "" if io is None else io
    # Where it is now: notebooks change their folder between a plan and its application.
    if folder is None or output is not None:
        beside = os.path.dirname(os.fspath(model)) if output is None else os.fspath(output)
        options.output = os.path.abspath(beside)
    options.max_shard = max_shard
    options.max_growth = max_growth
    options.update_config = update_config
    with ranges_file(ranges) as options.ranges:
        if folder is not None:
            return plan_folder(os.path.abspath(folder), options, sessions)
        return Plan(_native.NativePlan(native, options))


def quantize(
    model: Any,
    policy: AnyPolicy = AUTO,
    *,
    dtypes: Iterable[str] = (),
    output: AnyPath | None = None,
    rules: AnyRules = (),
    targets: Iterable[str] = (),
    io: str | None = None,
    ranges: AnyRanges | None = None,
    calibration: "AnyPath | Calibration | None" = None,
    max_shard: int = 1_900_000_000,
    max_growth: float = 8,
    update_config: bool = True,
    model_path: AnyPath | None = None,
    sessions: AnySessions = (),
    force: bool = False,
    threads: int = 0,
    memory: int = 0,
    progress: Progress | None = None,
) -> Report:
    """Convert a model as a policy says: `plan(…).apply(…)`, which see for the arguments.

    All files are written, or none; of a folder, those of one model after the other. Other threads
    run meanwhile, and Ctrl-C stops it.
    model, output, ranges, calibration: also URLs of a store that fsspec reaches ("s3://…"): what is
        read is copied into a temporary folder, and what was made there is put into the store when
        it is whole; the report's `urls` say where.
    Raises UsageError, ModelError, PolicyError or WriteError.
    """
    with staging() as stage:
        made = plan(
            stage.model(model),
            policy,
            dtypes=dtypes,
            output=stage.output(output, beside=model),
            rules=rules,
            targets=targets,
            io=io,
            ranges=stage.file(ranges),
            calibration=stage.file(calibration),
            max_shard=max_shard,
            max_growth=max_growth,
            update_config=update_config,
            model_path=model_path,
            sessions=sessions,
        )
        names = [file["name"] for each in made.outputs for file in each.files]
        stage.check_new(made["directory"], names, force)
        report = made.apply(force=force, threads=threads, memory=memory, progress=progress)
        stage.put()
        return stage.report(report)


def inspect(
    model: Any, *, checkpoint: AnyPath | None = None, model_path: AnyPath | None = None
) -> Inspection:
    """Say what is in a model: operators, roles, hazards, weights and the grids they lie on.

    model: a path, an onnx.ModelProto or an onnx_ir.Model, or a folder of models: then `models` has
    what is in each. checkpoint: a .safetensors or .gguf file,
    or a folder of them, with which the weights are compared: `result["checkpoint"]` has what became
    of each tensor, `result.lost` those whose training is not in the model. Raises ModelError, and
    UsageError for a checkpoint that cannot be read.
    """
    if is_folder(model):
        if checkpoint is not None:
            raise UsageError(f"checkpoint= is of one model, and {os.fspath(model)} is a folder")
        return inspect_folder(os.fspath(model), inspect)
    of_checkpoint = "" if checkpoint is None else os.fspath(checkpoint)
    return Inspection(
        json.loads(_native.inspect(native_model(model, model_path)[0], of_checkpoint))
    )


def check(
    model: Any,
    *,
    target: str = "webgpu",
    ranges: AnyRanges | None = None,
    model_path: AnyPath | None = None,
) -> Check:
    """Say what is wrong with a model, where, and what mends it.

    model: a path, an onnx.ModelProto or an onnx_ir.Model, or a folder of models: then each file in
        it is checked, of whatever dtype, and `models` has each check.
    target: where it shall run, as a policy's `target` says it: "webgpu", or "cpu" or "wasm", which
        compute 16-bit graphs in float32.
    ranges: what `onnxquant.ranges` measured of this model or of the float32 one it was made of, or
        a JSON file of it: they decide what the weights leave open.
    model_path: where a model in memory would lie.

    Missing or damaged data files are findings. Raises UsageError, and ModelError for what is no
    model at all.
    """
    if is_folder(model):
        return check_folder(
            os.fspath(model), lambda path: check(path, target=target, ranges=ranges)
        )
    native, _ = native_model(model, model_path)
    with ranges_file(ranges) as measured:
        found = json.loads(_native.check(native, target, measured))

    def mend(policy_name: str, dtype: str, directory: str) -> Report:
        return quantize(
            model,
            policy_name,
            dtypes=[dtype],
            output=directory,
            ranges=ranges,
            model_path=model_path,
        )

    return Check(found, mend)


def diff(first: Any, second: Any) -> Diff:
    """Say how two models differ: operators, types, weights (with their errors).

    Each a path, an onnx.ModelProto or an onnx_ir.Model. Raises ModelError.
    """
    return Diff(json.loads(_native.diff(native_model(first)[0], native_model(second)[0])))


def recover(directory: AnyPath) -> Recovery:
    """Finish, or take back, what a run that was killed left half-written in a folder.

    `quantize` and `plan(…).apply` do the same in the folders that they write to. The result is
    false where there was nothing to do. Raises UsageError for what is no folder, and WriteError.
    """
    return Recovery(_native.recover(os.fspath(directory)))
