"""Operators that read constant weights, in all their forms, for tests of how these are stored."""

import itertools
from typing import Any

import numpy as np
import weight_models as wm
from onnx import helper
from weight_models import Site

# K and N: whole blocks, a part at the end, one value at the end, less than a block, one row, one
# column.
SHAPES = [(64, 7), (50, 9), (33, 5), (129, 6), (5, 4), (1, 3), (40, 1)]


def matmuls(shapes: list[tuple[int, int]] = SHAPES) -> list[Site]:
    """Return x w for all shapes."""
    random = np.random.default_rng(1)
    node = helper.make_node("MatMul", ["x", "w"], ["y"])
    return [
        Site([node], wm.weights(random, k, n), {"x": wm.activations(random, m, k)})
        for m, (k, n) in enumerate(shapes, 1)
    ]


def turned() -> list[Site]:
    """Return products whose right operand comes through a Transpose."""
    random = np.random.default_rng(2)
    nodes = [
        helper.make_node("Transpose", ["w"], ["t"], perm=[1, 0]),
        helper.make_node("MatMul", ["x", "t"], ["y"]),
    ]
    return [
        Site(
            nodes,
            wm.weights(random, k, n).T.copy(),
            {"x": wm.activations(random, 3, k)},
            True,
        )
        for k, n in SHAPES
    ]


def batches() -> list[Site]:
    """Return products with B of [1, K, N]."""
    random = np.random.default_rng(3)
    node = helper.make_node("MatMul", ["x", "w"], ["y"])
    return [
        Site(
            [node],
            wm.weights(random, k, n)[None],
            {"x": wm.activations(random, *shape, k)},
        )
        for k, n, shape in [(50, 9, (2, 3)), (64, 7, (1, 2)), (33, 5, (2, 2, 3))]
    ]


def gemms() -> list[Site]:
    """Return Gemms with all flags, several factors and all shapes of C."""
    random = np.random.default_rng(4)
    sites = []
    factors = [(1.0, 1.0), (0.5, -2.0), (-3.0, 0.0)]
    shapes: list[tuple[int, ...] | None] = [None, (9,), (4, 9), (1,), (4, 1)]
    for a, b, (alpha, beta) in itertools.product([0, 1], [0, 1], factors):
        for shape in shapes:
            w, x = wm.weights(random, 50, 9), wm.activations(random, 4, 50)
            names = ["x", "w"] + ([] if shape is None else ["c"])
            node = helper.make_node(
                "Gemm", names, ["y"], transA=a, transB=b, alpha=alpha, beta=beta
            )
            constants = {} if shape is None else {"c": random.normal(0, 1, shape)}
            sites.append(
                Site(
                    [node],
                    w.T.copy() if b else w,
                    {"x": x.T.copy() if a else x},
                    bool(b),
                    {name: c.astype(np.float32) for name, c in constants.items()},
                )
            )
    w, x = wm.weights(random, 50, 9), wm.activations(random, 4, 50)
    no_c = helper.make_node("Gemm", ["x", "w", ""], ["y"], alpha=0.5)
    turn = helper.make_node("Transpose", ["w"], ["t"], perm=[1, 0])
    turned_back = helper.make_node("Gemm", ["x", "t"], ["y"], transB=1)
    sites += [Site([no_c], w, {"x": x}), Site([turn, turned_back], w, {"x": x})]
    return sites


def gathers() -> list[Site]:
    """Return embeddings."""
    random = np.random.default_rng(5)
    node = helper.make_node("Gather", ["w", "i"], ["y"])
    indices = [np.array([[0, 8, -1], [-9, 4, 4]]), np.array([2, 1, -2]), np.array(3)]
    # Numbers of columns whose blocks of 16, 32 and 64 have zero points that end with a byte; of
    # 128, two.
    return [
        Site([node], wm.weights(random, k, 9).T.copy(), {"i": i}, True)
        for k, i in zip([256, 244, 252], indices, strict=True)
    ]


def short_rows() -> list[Site]:
    """Return embeddings whose rows have few blocks, or a part of one."""
    random = np.random.default_rng(7)
    node = helper.make_node("Gather", ["w", "i"], ["y"])
    i = np.array([[0, -1], [5, 2]])
    return [Site([node], wm.weights(random, k, 6).T.copy(), {"i": i}, True) for k in (4, 12, 40)]


def columns() -> list[Site]:
    """Return what only formats of one scale can be gathered from."""
    random = np.random.default_rng(8)
    return [
        Site(
            [helper.make_node("Gather", ["w", "i"], ["y"], axis=axis)],
            random.normal(0, 0.1, shape).astype(np.float32),
            {"i": np.array([0, -1, 2])},
            True,
        )
        for axis, shape in [(1, (7, 5)), (-1, (4, 3)), (1, (2, 3, 5)), (0, (4, 3, 2))]
    ]


def convs() -> list[Site]:
    """Return filters of one to three dimensions."""
    random = np.random.default_rng(6)
    sites = []
    for rank, group, bias in itertools.product([1, 2], [1, 2], [False, True]):
        w = random.normal(0, 0.1, (6, 4 // group, *[3, 2][:rank])).astype(np.float32)
        w[1, 0] = 0
        node = helper.make_node(
            "Conv",
            ["x", "w", "b"] if bias else ["x", "w"],
            ["y"],
            group=group,
            strides=[2, 1][:rank],
            dilations=[1, 2][:rank],
            pads=[1, 0, 2, 1][:rank] + [0, 1][:rank],
        )
        constants = {"b": random.normal(0, 1, 6).astype(np.float32)} if bias else {}
        x = wm.activations(random, 2, 4, *[9, 7][:rank])
        sites.append(Site([node], w, {"x": x}, True, constants))
    for auto_pad, shape in itertools.product(["SAME_UPPER", "SAME_LOWER"], [(4,), (2, 2, 3)]):
        w = random.normal(0, 0.1, (3, 2, *shape)).astype(np.float32)
        node = helper.make_node("Conv", ["x", "w"], ["y"], auto_pad=auto_pad)
        x = wm.activations(random, 1, 2, *[7, 5, 6][: len(shape)])
        sites.append(Site([node], w, {"x": x}, True))
    return sites


def pointwise_convs() -> list[Site]:
    """Return filters that see one place: products over channels."""
    random = np.random.default_rng(14)
    sites = []
    for (k, n), rank, bias in itertools.product([(64, 7), (50, 9), (5, 4)], [1, 2], [False, True]):
        w = wm.weights(random, k, n).T.reshape(n, k, *[1] * rank).copy()
        names = ["x", "w", "b"] if bias else ["x", "w"]
        attributes = {"kernel_shape": [1] * rank, "strides": [1] * rank, "pads": [0] * 2 * rank}
        says: dict[str, Any] = {"auto_pad": "SAME_UPPER"} if bias else attributes
        node = helper.make_node("Conv", names, ["y"], None, None, None, None, **says)
        constants = {"b": random.normal(0, 1, n).astype(np.float32)} if bias else {}
        x = wm.activations(random, 2, k, *[5, 3][:rank])
        sites.append(Site([node], w, {"x": x}, True, constants))
    return sites


def einsums() -> list[Site]:
    """Return sums that are products with a matrix."""
    random = np.random.default_rng(13)
    sites = []
    for equation, turned, shape in [
        ("bik,kn->bin", False, (2, 3)),
        ("ik,kn->in", False, (3,)),
        ("...ik,kn->...in", False, (2, 2, 3)),
        ("abij,kj->abik", True, (2, 2, 3)),
        ("bik,nk->bin", True, (1, 2)),
    ]:
        w = wm.weights(random, 50, 8)
        node = helper.make_node("Einsum", ["x", "w"], ["y"], equation=equation)
        x = wm.activations(random, *shape, 50)
        sites.append(Site([node], w.T.copy() if turned else w, {"x": x}, turned))
    return sites


FORMS = {
    "MatMul": matmuls,
    "turned MatMul": turned,
    "MatMul of three dimensions": batches,
    "Gemm": gemms,
    "Einsum": einsums,
    "Gather": gathers,
    "Gather of short rows": short_rows,
    "Gather along other axes": columns,
    "Conv": convs,
    "Conv of one place": pointwise_convs,
}


def shared(k: int) -> Site:
    """Return an embedding and a head over one table."""
    random = np.random.default_rng(9)
    nodes = [
        helper.make_node("Gather", ["w", "i"], ["y1"]),
        helper.make_node("Transpose", ["w"], ["t"], perm=[1, 0]),
        helper.make_node("MatMul", ["x", "t"], ["y2"]),
    ]
    feeds = {"i": np.array([[0, -1], [5, 2]]), "x": wm.activations(random, 3, k)}
    return Site(nodes, wm.weights(random, k, 11).T.copy(), feeds, True)


def single(
    op: str, shape: tuple[int, ...], x: tuple[int, ...] = (), axis: int | None = None
) -> Site:
    """Return one node; a Gather takes two rows, others multiply with an activation."""
    random = np.random.default_rng(11)
    w = random.normal(0, 0.1, shape).astype(np.float32)
    if op == "Gather":
        attributes = {} if axis is None else {"axis": axis}
        node = helper.make_node(op, ["w", "i"], ["y"], None, None, None, None, **attributes)
        return Site([node], w, {"i": np.array([0, -1])}, True)
    return Site([helper.make_node(op, ["x", "w"], ["y"])], w, {"x": wm.activations(random, *x)})


def conv_transposes() -> list[Site]:
    """Return filters [in, out / group, ...] of one and two dimensions."""
    random = np.random.default_rng(12)
    sites = []
    for rank, group, bias in itertools.product([1, 2], [1, 2], [False, True]):
        w = random.normal(0, 0.1, (36, 5, *[3, 2][:rank])).astype(np.float32)
        w[1, 0] = 0
        names = ["x", "w", "b"] if bias else ["x", "w"]
        node = helper.make_node("ConvTranspose", names, ["y"], group=group)
        constants = {"b": random.normal(0, 1, 5 * group).astype(np.float32)} if bias else {}
        x = wm.activations(random, 2, 36, *[6, 5][:rank])
        sites.append(Site([node], w, {"x": x}, False, constants))
    return sites
