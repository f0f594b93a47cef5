"""Prints "PASSED FAILED" of a JUnit file, and the name of each test that failed on its own line.

A file without a test counts as one failure: a run that tests nothing must not pass.
"""

import sys
from xml.etree import ElementTree


def names_of_failures(suite: ElementTree.Element) -> list[str]:
    """The tests of `suite` that failed or ended in an error, as file and function."""
    return [
        f"{case.get('classname', '')} {case.get('name', '')}".strip()
        for case in suite.iter("testcase")
        if case.find("failure") is not None or case.find("error") is not None
    ]


def report(path: str) -> list[str]:
    """The lines to print for the JUnit file at `path`."""
    root = ElementTree.parse(path).getroot()
    suite = root if root.tag == "testsuite" else root[0]
    tests, skipped = int(suite.attrib["tests"]), int(suite.attrib.get("skipped", 0))
    failed = int(suite.attrib["failures"]) + int(suite.attrib.get("errors", 0))
    if tests == 0:
        return ["0 1", "no test ran"]
    return [f"{tests - failed - skipped} {failed}", *names_of_failures(suite)]


if __name__ == "__main__":
    print(*report(sys.argv[1]), sep="\n")
