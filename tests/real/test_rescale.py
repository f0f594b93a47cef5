"""gemma-rescale: the whole real model in float16, its residual stream scaled to fit."""

import json
import subprocess
from collections import Counter
from pathlib import Path

import numpy as np
import onnx
import pytest
from onnx import numpy_helper
from onnxquant_tools.initializers import read_initializers
from real_model import Convert

# The norms' gains bound the stream by 4.48e5; float16 norms over 640 elements hold 6475.
EXPONENT = 7


def _graph(path: Path) -> onnx.GraphProto:
    return onnx.load(path, load_external_data=False).graph


@pytest.mark.parametrize("dtype", ["fp16", "q4f16"])
def test_no_cast_stands_inside_a_layer(dtype: str, convert: Convert) -> None:
    graph = _graph(convert("gemma-rescale") / f"model_{dtype}.onnx")
    floats = {onnx.TensorProto.FLOAT, onnx.TensorProto.FLOAT16}
    casts = [n for n in graph.node if n.op_type == "Cast" and n.attribute[0].i in floats]
    assert [list(n.output) for n in casts] == [["logits"]]


@pytest.mark.parametrize("dtype", ["fp16", "q4f16"])
def test_it_has_the_float32_models_nodes_and_one_cast(
    dtype: str, convert: Convert, gemma: Path
) -> None:
    """Also beside gemma-web, which casts at each norm and sum."""

    def count(path: Path) -> Counter[str]:
        operators = Counter(n.op_type for n in _graph(path).node)
        operators["MatMul"] += operators.pop("MatMulNBits", 0)
        return operators

    ours = count(convert("gemma-rescale") / f"model_{dtype}.onnx")
    web = count(convert("gemma-web") / f"model_{dtype}.onnx")
    before = count(gemma)
    print(dtype, sum(before.values()), sum(ours.values()), sum(web.values()))
    assert ours - before == Counter({"Cast": 1})
    assert not before - ours
    assert sum(web.values()) - sum(ours.values()) > 100


def test_gains_of_post_norms_and_the_squared_epsilons_are_scaled(
    convert: Convert, gemma: Path
) -> None:
    path = convert("gemma-rescale") / "model_fp16.onnx"
    before = dict(read_initializers(gemma))
    after = dict(read_initializers(path))
    scale = np.float32(2.0**-EXPONENT)
    for name, weight in after.items():
        if "norm" not in name:
            continue
        original = before[name].data.view(np.float32)
        factor = scale if "post_" in name else np.float32(1)
        assert np.array_equal(weight.data.view(np.float16), (original * factor).astype(np.float16))
    assert np.array_equal(
        after["model.embed_tokens.weight"].data[: 1 << 22].view(np.float16),
        before["model.embed_tokens.weight"].data[: 1 << 23].view(np.float32).astype(np.float16),
    )
    epsilons = {
        node.name: attribute.f
        for node in _graph(path).node
        for attribute in node.attribute
        if attribute.name == "epsilon"
    }
    for name, epsilon in epsilons.items():
        reads_stream = any(word in name for word in ("input_", "pre_", "final_"))
        assert epsilon == np.float32(1e-6) * (scale * scale if reads_stream else 1), name
    constants = [numpy_helper.to_array(n.attribute[0].t) for n in _graph(path).node if _scalar(n)]
    assert [float(c) for c in constants] == [float(np.float16(640**0.5 * scale))]


def test_measured_peaks_ask_for_less_than_the_bound(
    binary: Path, gemma: Path, tmp_path: Path
) -> None:
    """The stream's peak over a thousand tokens of English is 1.041e5: 2^-5 with the margin."""
    peaks = {o: {"peak": 104_061.0} for n in _graph(gemma).node for o in n.output}
    ranges = tmp_path / "ranges.json"
    ranges.write_text(json.dumps({"values": peaks}))
    command = [str(binary), "plan", "--policy", "gemma-rescale", "--json", str(gemma)]
    for arguments, exponent in (([], EXPONENT), (["--ranges", str(ranges)], 5)):
        done = subprocess.run(command + arguments, capture_output=True, text=True, check=True)
        for output in json.loads(done.stdout)["outputs"]:
            assert f"2^-{exponent} (" in output["residual"]


def _scalar(node: onnx.NodeProto) -> bool:
    return (
        node.op_type == "Constant"
        and node.attribute[0].name == "value"
        and node.attribute[0].t.data_type == onnx.TensorProto.FLOAT16
    )
