"""What a plan comes to when names, and the nodes of whoever exported the model, are left out.

    python -m onnxquant_tools.plan_summary PLAN.json           # prints what it comes to
    python -m onnxquant_tools.plan_summary PLAN.json OTHER…    # prints where the plans differ

Two exports of one model have other names, other nodes around the same products, and norms in one
node or in seven. What has to be the same: how each weight is stored, by role and layer; in which
type the sums of the residual stream and the norms are computed; the types of what goes in and out.
"""

import json
import math
import sys
from collections import Counter
from pathlib import Path
from typing import Any

Summary = dict[str, Any]
# Fused or not, of these the formats have to agree.
_PRODUCTS = {
    "q_proj",
    "k_proj",
    "v_proj",
    "qkv_proj",
    "o_proj",
    "gate_proj",
    "up_proj",
    "gate_up_proj",
    "down_proj",
    "router",
    "expert",
    "classifier",
    "pooler",
}
_VOCABULARY = {"embedding", "lm_head"}  # one table or two, as the exporter ties them


def _dims(shape: list[int]) -> str:
    """A matrix may be stored turned."""
    return "x".join(str(dim) for dim in sorted(shape))


def summary(output: dict[str, Any]) -> Summary:
    """Return what one output of a plan comes to."""
    products: Counter[str] = Counter()
    vocabulary: set[str] = set()
    gains: Counter[str] = Counter()
    for tensor in output["tensors"]:
        role, layer, shape = tensor["role"], tensor["layer"], tensor["shape"]
        if role in _PRODUCTS and len(shape) > 1:
            products[f"{role} {layer} {_dims(shape)} {tensor['format']}"] += 1
        elif role in _VOCABULARY and len(shape) > 1:
            vocabulary.add(tensor["format"])
        elif role == "norm" and math.prod(shape) > 1:
            gains[f"{math.prod(shape)} {tensor['format']}"] += 1
    sums: Counter[str] = Counter()
    norms: set[str] = set()
    for node in output["nodes"]:
        skips = node["op"].split("::")[-1].startswith("Skip")
        if node["role"] == "residual" or skips:
            sums[f"{node['layer']} {node['compute']}"] += 1
        if node["role"] == "norm":
            norms.add(node["compute"])
    ends = {value["role"]: value["type"] for value in output["values"] if value["role"]}
    return {
        "products": dict(sorted(products.items())),
        "vocabulary": sorted(vocabulary),
        "gains": dict(sorted(gains.items())),
        "sums": dict(sorted(sums.items())),
        "norms": sorted(norms),
        "ends": ends,
    }


def differences(first: Summary, second: Summary) -> list[str]:
    """Return the parts in which two summaries differ; of ends, those that both have."""
    ends = set(first["ends"]) & set(second["ends"])
    pairs = [(part, first[part], second[part]) for part in first if part != "ends"]
    pairs += [(role, first["ends"][role], second["ends"][role]) for role in sorted(ends)]
    return [f"{part}: {one} and {other}" for part, one, other in pairs if one != other]


def golden(plan: dict[str, Any]) -> dict[str, Any]:
    """Return what tests/exporters/plans keeps of a plan: its policy, and fp16 and q4f16."""
    outputs = {output["dtype"]: output for output in plan["outputs"]}
    kept = {dtype: summary(outputs[dtype]) for dtype in ("fp16", "q4f16")}
    return {"policy": plan["outputs"][0]["policy"], "why": plan["policy_choice"], **kept}


def main() -> None:
    """Print a summary, or compare each plan with the first one."""
    plans = [json.loads(Path(path).read_text(encoding="utf-8")) for path in sys.argv[1:]]
    if len(plans) == 1:
        print(json.dumps(golden(plans[0]), indent=1))
    for path, plan in zip(sys.argv[2:], plans[1:], strict=True):
        for first, second in zip(plans[0]["outputs"], plan["outputs"], strict=True):
            for line in differences(summary(first), summary(second)):
                print(f"{path} {first['dtype']}: {line}")


if __name__ == "__main__":
    main()
