"""The page of speeds says what was measured, in medians, and what failed."""

from onnxquant_tools.performance import TASKS, Result, table
from onnxquant_tools.timed_run import Run


def measured(seconds: list[float], copies: list[float]) -> Result:
    runs = [Run(s, 2 * s, int(s * 1e6)) for s in seconds]
    return Result(runs, [Run(s, s) for s in copies], bytes=7_000_000)


def test_ratios_are_medians_of_pairs() -> None:
    assert measured([1, 8, 3], [1, 2, 2]).ratio() == 1.5
    assert measured([1, 8, 3], [1, 2, 2]).cells() == ["7", "3.00", "1.50", "6.0", "8"]


def test_a_table_has_a_row_for_each_tool_and_a_chart_of_those_that_ran() -> None:
    first, second, third = TASKS["float16"]
    lines = table(
        "float16",
        {
            first: measured([1], [2]),
            second: Result(failed="not done after 900 s"),
            third: measured([4], [2]),
        },
    )
    assert lines[0] == "### Float16"
    assert "| **onnxquant** | 7 | 1.00 | 0.50 | 2.0 | 1 |" in lines
    assert "| onnxconverter-common | fails: not done after 900 s |  |  |  |  |" in lines
    assert '    x-axis ["onnxquant", "ONNX Runtime"]' in lines
    assert "    bar [0.50, 2.00]" in lines


def test_one_tool_alone_needs_no_chart() -> None:
    (only,) = TASKS["every dtype of Transformers.js"]
    assert not any("mermaid" in line for line in table("x", {only: measured([1], [1])}))
