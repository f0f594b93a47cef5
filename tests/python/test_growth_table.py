"""Exponents of growth are those of what was measured, and the table has a row for each command."""

import pytest
from onnxquant_tools.growth import exponent, table
from onnxquant_tools.timed_run import Run


@pytest.mark.parametrize("power", [0.5, 1.0, 2.0])
def test_an_exponent_is_that_of_the_law(power: float) -> None:
    sizes = [1, 4, 16, 64]
    assert exponent(sizes, [3 * size**power for size in sizes]) == pytest.approx(power)


def test_sizes_done_in_no_time_do_not_flatten_it() -> None:
    assert exponent([1, 10, 100, 1000], [0.03, 0.04, 1, 100]) == pytest.approx(2)
    assert exponent([1, 10], [0.03, 0.04]) is None


def test_a_table_shows_seconds_exponent_and_memory() -> None:
    runs = {"plan": [Run(1, 1, 5_000_000), Run(4, 4, 7_000_000)]}
    assert table("GB", [1, 4], runs) == [
        "| seconds | 1 GB | 4 GB | exponent | memory, MB |",
        "|---|--:|--:|--:|--:|",
        "| plan | 1.00 | 4.00 | 1.00 | 5 to 7 |",
        "",
    ]
