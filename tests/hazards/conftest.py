"""Fixtures of the tests of small models that stand for what float16 gets wrong in real exports."""

from pathlib import Path

import pytest
from judging import Judge


@pytest.fixture
def judge(tmp_path: Path) -> Judge:
    """Return what converts models in a folder of the test's own, and judges the results."""
    return Judge(tmp_path)
