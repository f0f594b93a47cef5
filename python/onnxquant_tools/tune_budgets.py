"""Measures what `tune` makes of the real Gemma 3 270M at several sizes, beside chance.

    scripts/python.sh -m onnxquant_tools.tune_budgets --calibration FILE [--size 190 250]

For each size, in 10^6 bytes, gemma-web's q4f16 is tuned to it, written and compared with float32 on
text that nothing was chosen on; and so is the policy that gives 8 bits to weights in random order,
as far as the size goes, and 4 to the others. Prints a Markdown table.
"""

import argparse
import json
import random
import subprocess
import sys
from pathlib import Path
from typing import Any

from onnxquant_tools.compare_logits import compare, default_tokens
from onnxquant_tools.product import gemma, program, scratch_folder

SIZES = (160, 190, 220, 250, 290)
_DTYPE = "q4f16"


def _run(*arguments: str | Path) -> str:
    command = [str(program()), *map(str, arguments)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode != 0:
        sys.exit(f"tune_budgets: {' '.join(command)}: {done.stderr.strip()}")
    return done.stdout


def tuned(model: Path, calibration: Path, size: int, policy: Path) -> dict[str, Any]:
    """Write a policy of so many bytes, and return what tune says of it."""
    common = ("--policy", "gemma-web", "--dtype", _DTYPE, "--calibration", calibration)
    text = _run("tune", *common, "--size", str(size), "--no-confirm", "--json", "-o", policy, model)
    result: dict[str, Any] = json.loads(text)
    return result


def _with_eight_bits(base: str, names: list[str], others: list[str]) -> str:
    """Return gemma-web with 8 bits for some weights, and 4 for the others."""
    rules = []
    for weights, words in (
        (names, "weights: {format: int8}, method: nearest"),
        (others, "weights: {format: int4, symmetric: false}, method: gptq"),
    ):
        if weights:
            quoted = ", ".join(json.dumps(name) for name in weights)
            rules.append(f"  - {{match: {{weight: [{quoted}]}}, when: {_DTYPE}, {words}}}\n")
    return base + "".join(rules)


def random_policy(model: Path, calibration: Path, size: int, weights: list[str], path: Path) -> int:
    """Write a policy that gives 8 bits by chance, and return the bytes of its files."""
    base = _run("policies", "gemma-web").rstrip("\n") + "\n"
    order = random.Random(size).sample(weights, len(weights))

    def bytes_of(count: int) -> int:
        path.write_text(_with_eight_bits(base, order[:count], order[count:]), encoding="utf-8")
        common = ("--policy", path, "--dtype", _DTYPE, "--calibration", calibration)
        plan = json.loads(_run("plan", "--json", *common, model))
        return sum(file["bytes"] for file in plan["outputs"][0]["files"])

    # The table is most of the bytes: where 8 bits of it do not fit, it is last.
    table = max(order, key=lambda name: "embed" in name)
    order.remove(table)
    order.insert(0, table)
    if bytes_of(1) > size:
        order.append(order.pop(0))
    low, high = 0, len(order)
    while low < high:
        middle = (low + high + 1) // 2
        low, high = (middle, high) if bytes_of(middle) <= size else (low, middle - 1)
    return bytes_of(low)


def main() -> None:
    """Tune, measure, and print the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--calibration", type=Path, required=True)
    parser.add_argument("--size", type=int, nargs="*", default=SIZES)
    parser.add_argument("--count", type=int, default=0, help="tokens of the text; default: all")
    arguments = parser.parse_args()
    model = gemma()
    tokens = default_tokens()[: arguments.count or None]
    print("| size | bytes | below | predicted KL | KL | perplexity | KL by chance |")
    print("|--:|--:|--:|--:|--:|--:|--:|")
    for megabytes in arguments.size:
        size = megabytes * 10**6
        with scratch_folder("budgets") as folder:
            result = tuned(model, arguments.calibration, size, folder / "tuned.yaml")
            weights = [weight["name"] for weight in result["weights"]]
            random_policy(model, arguments.calibration, size, weights, folder / "random.yaml")
            for name in ("tuned", "random"):
                common = ("--policy", folder / f"{name}.yaml", "--dtype", _DTYPE)
                more = ("--calibration", arguments.calibration, "--no-config", "-q")
                _run(*common, *more, "-o", folder / f"{name}.onnx", model)
            files = [folder / "tuned.onnx", folder / "random.onnx"]
            written = sum(f.stat().st_size for f in folder.glob("tuned.onnx*"))
            best, chance = (one.summary() for one in compare(model, files, tokens))
        below = f"{100 * (1 - written / size):.2f} %"
        print(
            f"| {megabytes} MB | {written:,} | {below} | {result['predicted_kl']:.4f} | "
            f"{best['kl_mean']:.4f} | {best['ppl']:.2f} | {chance['kl_mean']:.4f} |",
            flush=True,
        )


if __name__ == "__main__":
    main()
