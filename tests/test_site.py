"""The documentation is built without a warning."""

import re
import shutil
import subprocess
import sys

import pytest
from support import REPOSITORY

pytest.importorskip("sphinx", reason="the extra `docs` is not installed")


@pytest.fixture(scope="module")
def site(tmp_path_factory):
    """The pages, built from a copy of the repository, because a build writes beside its sources."""
    folder = tmp_path_factory.mktemp("site")
    leave = shutil.ignore_patterns(".*", "__pycache__", "_build", "build", "dist", "*.egg-info")
    shutil.copytree(REPOSITORY, folder / "repository", ignore=leave)
    for made in ("examples", "generated", "results"):  # as in a clean checkout
        shutil.rmtree(folder / "repository" / "docs" / made, ignore_errors=True)
    command = [sys.executable, "-m", "sphinx", "-W", "--keep-going", "-n", "-q", "-j", "2"]
    command += [folder / "repository" / "docs", folder / "html"]
    built = subprocess.run(command, cwd=folder, capture_output=True, text=True)
    assert built.returncode == 0, built.stdout + built.stderr
    return folder / "html"


def test_pages_are_there(site):
    for page in ("index", "architecture", "changes", "examples/index"):
        assert (site / f"{page}.html").stat().st_size > 1000


def test_no_page_asks_the_network(site):
    """Scripts, styles, fonts and pictures are beside the pages; links may lead elsewhere."""
    asks = re.compile(r'<(?:script|link|img|iframe|source)\b[^>]*\b(?:src|href)="(?:https?:)?//[^"]*"')
    found = {page.name: asks.findall(page.read_text(encoding="utf-8")) for page in site.rglob("*.html")}
    assert {name: tags for name, tags in found.items() if tags} == {}
    styles = {sheet.name: re.findall(r"url\(.?https?:", sheet.read_text("utf-8")) for sheet in site.rglob("*.css")}
    assert {name: urls for name, urls in styles.items() if urls} == {}
