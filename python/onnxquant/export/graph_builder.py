"""A thin layer over onnx_ir for writing a graph by hand: named nodes, constants made on demand."""

import numpy as np
import numpy.typing as npt
import onnx_ir as ir

Dims = tuple[int | str | None, ...]

_NUMPY_NAME = {
    np.dtype(np.float32): "FLOAT",
    np.dtype(np.float16): "FLOAT16",
    np.dtype(np.int64): "INT64",
}


class GraphBuilder:
    """Collects nodes in topological order; the output of node `n` is called `n/output_0`."""

    def __init__(self, opsets: dict[str, int], producer: str, ir_version: int) -> None:
        graph = ir.Graph((), (), nodes=(), opset_imports=opsets, name="main_graph")
        self.graph = graph
        self.model = ir.Model(graph, ir_version=ir_version, producer_name=producer)
        self._constants: dict[str, ir.Value] = {}

    def add_input(self, name: str, dtype: ir.DataType, dims: Dims) -> ir.Value:
        """Declare a graph input."""
        value = _typed(ir.Value(name=name), dtype, dims)
        self.graph.inputs.append(value)
        return value

    def add_output(self, value: ir.Value) -> None:
        """Declare an existing value as a graph output."""
        self.graph.outputs.append(value)

    def add_initializer(self, tensor: ir.ExternalTensor) -> ir.Value:
        """Register a weight under the tensor's name."""
        value = ir.Value(name=tensor.name, const_value=tensor)
        value.dtype, value.shape = tensor.dtype, ir.Shape(tensor.shape)
        self.graph.register_initializer(value)
        return value

    def constant(self, content: npt.ArrayLike, dtype: npt.DTypeLike) -> ir.Value:
        """Return a Constant node's output; equal constants share one node.

        Names follow the community exporter: /model/constants/<TYPE>/<literal>.
        """
        array = np.asarray(content, dtype=dtype)
        literal = f"{_NUMPY_NAME[array.dtype]}/{array.tolist()}"
        found = self._constants.get(literal)
        if found is None:
            name = f"/model/constants/{literal}"
            found = self.node(
                "Constant",
                f"/model/constant_nodes/{literal}",
                [],
                ir.DataType.from_numpy(array.dtype),
                tuple(array.shape),
                output=name,
                value=ir.tensor(array, name=name),
            )
            self._constants[literal] = found
        return found

    def node(
        self,
        op: str,
        name: str,
        inputs: list[ir.Value | None],
        dtype: ir.DataType,
        dims: Dims | None,
        *,
        domain: str = "",
        output: str | None = None,
        **attributes: object,
    ) -> ir.Value:
        """Append a node of one output and return that output."""
        value = _typed(ir.Value(name=output or f"{name}/output_0"), dtype, dims)
        self.node_with(op, name, inputs, [value], domain=domain, **attributes)
        return value

    def node_with(
        self,
        op: str,
        name: str,
        inputs: list[ir.Value | None],
        outputs: list[ir.Value],
        *,
        domain: str = "",
        **attributes: object,
    ) -> None:
        """Append a node that writes the given values."""
        self.graph.append(
            ir.node(op, inputs, attributes, domain=domain, outputs=outputs, name=name)  # type: ignore[arg-type]
        )


def _typed(value: ir.Value, dtype: ir.DataType, dims: Dims | None) -> ir.Value:
    value.dtype = dtype
    if dims is not None:
        value.shape = ir.Shape(dims)
    return value


def typed_value(name: str, dtype: ir.DataType, dims: Dims) -> ir.Value:
    """Make a named value with a type, for nodes of several outputs."""
    return _typed(ir.Value(name=name), dtype, dims)
