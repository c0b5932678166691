"""Examples in docstrings run, and print what they say; docstrings of public names have the sections of numpydoc."""

import doctest
import importlib
import inspect
import pydoc
import re

import pytest
from support import REPOSITORY

FOLDER = REPOSITORY / "kmeans_fast"
WITH_EXAMPLES = [path for path in sorted(FOLDER.rglob("*.py")) if ">>> " in path.read_text(encoding="utf-8")]
API = (REPOSITORY / "docs" / "api.md").read_text(encoding="utf-8")
PUBLIC = [f"kmeans_fast.{name}" for name in re.findall(r"^   ([A-Za-z][\w.]*)$", API, re.MULTILINE)]
# Sections and their order, a summary of one line, and parameters: those there are, and none besides.
CHECKS = {"GL05", "GL06", "GL07", "PR01", "PR02", "PR10", "RT01", "SS01", "SS02", "SS03", "SS06"}


@pytest.mark.parametrize("path", WITH_EXAMPLES, ids=lambda path: path.relative_to(FOLDER).as_posix())
def test_examples_run(path):
    parts = path.relative_to(REPOSITORY).with_suffix("").parts
    module = importlib.import_module(".".join(part for part in parts if part != "__init__"))
    result = doctest.testmod(module)
    assert result.attempted > 0
    assert result.failed == 0, "see what was printed"


@pytest.mark.parametrize("name", PUBLIC)
def test_docstrings_are_numpydoc(name):
    validate = pytest.importorskip("numpydoc.validate", reason="the extra `docs` is not installed")
    owner, left_out = pydoc.locate(name), set()
    if inspect.isclass(owner) and issubclass(owner, tuple):
        left_out = {"PR01"}  # fields of a named tuple are its attributes
    assert [words for code, words in validate.validate(name)["errors"] if code in CHECKS - left_out] == []
