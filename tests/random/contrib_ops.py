"""ONNX Runtime's own operators, of the domain com.microsoft."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

from graph_builder import F32, Builder, InapplicableError, Value

Rule = Callable[[Builder], None]
_DOMAIN = "com.microsoft"


def activation(graph: Builder) -> None:
    """Add a Gelu of some kind."""
    x = graph.find_float(lambda value: value.kind == F32 and len(value.shape) > 0)
    name = graph.choose(("Gelu", "FastGelu", "QuickGelu", "BiasGelu"))
    like = replace(x, error=1.2 * x.error)
    if name != "BiasGelu":
        graph.emit(name, [x], like, domain=_DOMAIN)
        return
    if not x.shape[-1]:
        raise InapplicableError
    bias = graph.numbers(x.shape[-1:])
    like = replace(x, bound=x.bound + bias.bound, error=1.2 * (x.error + bias.error))
    graph.emit(name, [x, bias], like, domain=_DOMAIN)


def fused_product(graph: Builder) -> None:
    """Add FusedMatMul with a factor and a transposed operand."""
    x = graph.find_float(lambda value: value.kind == F32 and value.shape[-1:] == (4,))
    w = graph.floats((4, 4))
    bound = 2 * x.bound * w.bound
    error = 2 * (x.bound * w.error + w.bound * x.error)
    like = replace(x, bound=bound, error=error)
    graph.emit("FusedMatMul", [x, w], like, domain=_DOMAIN, alpha=0.5, transB=graph.integer(0, 1))


def skip_normalization(graph: Builder) -> None:
    """Add SkipLayerNormalization, whose optional inputs and outputs are left out at random."""
    x = graph.find_float(lambda value: value.kind == F32 and value.shape[-1:] == (4,))
    if len(x.shape) not in (2, 3) or 0 in x.shape:  # ONNX Runtime divides by the rows
        raise InapplicableError
    y = graph.floats(x.shape)
    name = graph.choose(("SkipLayerNormalization", "SkipSimplifiedLayerNormalization"))
    scale = graph.floats((4,))
    inputs: list[Value | None] = [x, y, scale]
    shift = 0.0
    if name == "SkipLayerNormalization":
        beta = graph.numbers((4,)) if graph.chance(2) else None
        shift = 0.0 if beta is None else beta.bound
        inputs.append(beta)
    bias = graph.numbers((4,)) if graph.chance(2) else None
    inputs.append(bias)
    while inputs[-1] is None:
        inputs.pop()
    total = x.bound + y.bound + (0.0 if bias is None else bias.bound)
    off = x.error + y.error + (0.0 if bias is None else bias.error) + total / 1024
    outputs = [graph.name()]
    if graph.chance(2):
        outputs += ["", "", graph.name()]
    graph.node(name, inputs, outputs, domain=_DOMAIN, epsilon=1.0)
    like = replace(x, bound=2 * scale.bound + shift, exact=False)
    error = 4 * scale.bound * off + 2 * scale.error + shift / 1024
    graph.output(replace(like, name=outputs[0], error=error))
    if len(outputs) > 1:
        graph.output(replace(like, name=outputs[3], bound=total, error=off))


RULES: tuple[Rule, ...] = (activation, fused_product, skip_normalization)
