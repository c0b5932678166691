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


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_a_checker_of_accessibility_finds_nothing(site, scheme):
    playwright = pytest.importorskip("playwright.sync_api", reason="drives the browser")
    axe = pytest.importorskip("axe_playwright_python.sync_playwright", reason="has the checker")
    browser = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)
    if browser is None:
        pytest.skip("no Chromium is installed, and pip installs none")
    with playwright.sync_playwright() as driver:
        opened = driver.chromium.launch(executable_path=browser, args=["--no-sandbox"])  # as root there is none
        page = opened.new_page(color_scheme=scheme, viewport={"width": 1200, "height": 900})
        for name in ("index", "one_answer", "command_line", "api", "generated/kmeans_fast.KMeans"):
            page.goto((site / f"{name}.html").as_uri())
            found = axe.Axe().run(page).response["violations"]
            assert [(one["help"], [node["html"] for node in one["nodes"]]) for one in found] == [], name
        opened.close()
