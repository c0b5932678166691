"""What the README and messages say of files and of packages to install is so."""

import re
import sys

import pytest
from support import REPOSITORY

if sys.version_info >= (3, 11):
    import tomllib
else:
    tomllib = pytest.importorskip("tomli")

README = (REPOSITORY / "README.md").read_text(encoding="utf-8")
EXTRAS = tomllib.loads((REPOSITORY / "pyproject.toml").read_text())["project"]["optional-dependencies"]


def test_no_message_names_a_package_that_no_registry_has():
    """The project is installed from a checkout: a message names what to install, and the extra that has it."""
    sources = [path for part in ("kmeans_fast", "kernels") for path in (REPOSITORY / part).rglob("*.py")]
    advising = [path.name for path in sources if re.search(r"pip install \W*kmeans.fast", path.read_text("utf-8"))]
    assert advising == []
    for extra in re.findall(r"the extra[s]? [`'](\w+)[`']", "".join(path.read_text("utf-8") for path in sources)):
        assert extra in EXTRAS


def test_files_that_the_text_links_to_are_there():
    for target in re.findall(r"\]\(([^)#]+)\)", README):
        if "://" not in target:
            assert (REPOSITORY / target).exists(), target


@pytest.mark.parametrize("page", ["CONTRIBUTING.md", "benchmarks/README.md"])
def test_programs_and_tests_that_commands_name_are_there(page):
    """These pages are for developers: their commands take minutes, or change the checkout."""
    text = (REPOSITORY / page).read_text(encoding="utf-8")
    blocks = re.findall(r"^```sh\n(.*?)^```$", text, re.MULTILINE | re.DOTALL)
    named = set(re.findall(r"(?:^|\s)((?:benchmarks|docs|tests|tools)/[\w./]+)", "".join(blocks)))
    assert named
    assert [path for path in sorted(named) if not (REPOSITORY / path).exists()] == []
