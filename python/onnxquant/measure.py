"""Running models to measure them, with the onnxruntime package that is installed."""

import json
import os
from collections.abc import Iterable, Mapping

from onnxquant import _native
from onnxquant.arguments import (
    AnyPath,
    Progress,
    Tokens,
    check_least,
    file_of,
    fill_run,
    tokens_file,
)
from onnxquant.inputs import Inputs, input_files
from onnxquant.results import Ranges, Verification
from onnxquant.runner import load


def ranges(
    model: AnyPath,
    tokens: Tokens | None = None,
    *,
    inputs: Inputs | None = None,
    count: int = 0,
    chunk: int = 64,
    seed: int = 0,
    dims: Mapping[str, int] | None = None,
    memory: int = 0,
    progress: Progress | None = None,
) -> Ranges:
    """Run a model and measure peak, minimum, maximum and percentiles of every float value.

    model: a path.
    tokens: for models that take tokens: "self", a file (.npy, .jsonl, .txt), or ids.
    inputs: what to run on instead: arrays by the names of the inputs, the one array of a model with
        one input, a file of either (.npz, .npy), a folder of them, an image or a sound (see
        docs/guide.md); or a list, a run each.
    count: tokens to read; 0 for all of them, 256 of the model's own text.
    chunk: tokens a step. seed, dims: for inputs that are made up (dims by the dimensions' names).
    memory: bytes of values at once; the model runs again for the rest. 0 for 512 MB.

    Raises UsageError, ModelError or VerifyError.
    """
    options = _native.RangesOptions()
    options.model = file_of(model)
    check_least(1, chunk=chunk)
    options.chunk = chunk
    fill_run(options, count=count, seed=seed, dims=dims, memory=memory)
    with tokens_file(tokens) as options.tokens, input_files(options.model, inputs) as files:
        options.inputs = files.paths
        measured = _native.measure_ranges(options, load, progress)
        return Ranges(json.loads(files.told(measured)))


def verify(
    reference: AnyPath,
    candidates: AnyPath | Iterable[AnyPath],
    tokens: Tokens | None = None,
    *,
    inputs: Inputs | None = None,
    providers: Iterable[str] = ("cpu",),
    count: int = 0,
    chunk: int = 64,
    greedy: int = 16,
    layers: bool = False,
    max_kl: float | None = None,
    min_top1: float | None = None,
    max_error: float | None = None,
    seed: int = 0,
    dims: Mapping[str, int] | None = None,
    memory: int = 0,
    progress: Progress | None = None,
) -> Verification:
    """Run candidates against a reference on the same inputs, and measure how far they part.

    providers: where the candidates run: "cpu", "webgpu", "simulated" (float16 hardware on the
        CPU), or others that onnxruntime has.
    greedy: tokens to continue the text by. layers: compare the values inside, too.
    max_kl, min_top1: what decides `passed` for models with logits, besides NaN and Inf where the
        reference has none. max_error: the same for others, and with inputs, of every output.
    For the others see `ranges`. A candidate that does not run is a result, not an exception.

    Raises UsageError, ModelError or VerifyError.
    """
    options = _native.VerifyOptions()
    options.reference = file_of(reference)
    several = [candidates] if isinstance(candidates, str | os.PathLike) else candidates
    options.candidates = [file_of(candidate) for candidate in several]
    options.providers = [providers] if isinstance(providers, str) else list(providers)
    check_least(0, greedy=greedy)
    check_least(1, chunk=chunk)
    options.chunk = chunk
    fill_run(options, count=count, seed=seed, dims=dims, memory=memory)
    options.greedy = greedy
    options.layers = layers
    options.set_thresholds(max_kl, min_top1, max_error)
    with tokens_file(tokens) as options.tokens, input_files(options.reference, inputs) as files:
        options.inputs = files.paths
        verified = _native.verify(options, load, progress)
        return Verification(json.loads(files.told(verified)))
