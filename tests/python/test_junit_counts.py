"""The counts and names that end a run of all tests."""

from pathlib import Path

from onnxquant_tools.junit_counts import report


def file_with(folder: Path, attributes: str, cases: str = "") -> str:
    """A JUnit file of one suite inside the root that pytest writes."""
    path = folder / "results.xml"
    path.write_text(f"<testsuites><testsuite {attributes}>{cases}</testsuite></testsuites>")
    return str(path)


def test_failures_and_errors_are_counted_and_named(tmp_path: Path) -> None:
    path = file_with(
        tmp_path,
        'tests="4" failures="1" errors="1" skipped="1"',
        '<testcase classname="tests.a" name="one"><failure message="m"/></testcase>'
        '<testcase classname="tests.b" name="two"><error/></testcase>'
        '<testcase classname="tests.c" name="three"/>'
        '<testcase classname="tests.d" name="four"><skipped/></testcase>',
    )
    assert report(path) == ["1 2", "tests.a one", "tests.b two"]


def test_a_suite_as_the_root_is_read_as_well(tmp_path: Path) -> None:
    path = tmp_path / "ctest.xml"
    path.write_text(
        '<testsuite tests="2" failures="1" skipped="0">'
        '<testcase name="a" classname="a"><failure/></testcase><testcase name="b"/></testsuite>'
    )
    assert report(str(path)) == ["1 1", "a a"]


def test_a_run_without_a_test_is_a_failure(tmp_path: Path) -> None:
    assert report(file_with(tmp_path, 'tests="0" failures="0" errors="0"')) == [
        "0 1",
        "no test ran",
    ]
