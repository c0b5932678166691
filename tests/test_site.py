"""The documentation is built without a warning, asks nothing of the network, and can be read by all who read.

One test, because to build takes long, and tests of a file may run in several processes.
"""

import re
import shutil
import subprocess
import sys

import pytest
from support import REPOSITORY

pytest.importorskip("sphinx", reason="the extra `docs` is not installed")

LOOKED_AT = ("index", "one_answer", "command_line", "api", "generated/kmeans_fast.KMeans")


def test_the_site(tmp_path):
    site = built(tmp_path)
    for page in (*LOOKED_AT, "architecture", "changes", "examples/plot_tutorial", "results/cpu-2-cores"):
        assert (site / f"{page}.html").stat().st_size > 1000
    assert_nothing_is_fetched(site)
    assert_a_checker_of_accessibility_finds_nothing(site)


def built(folder):
    """The pages, built from a copy of the repository, because a build writes beside its sources."""
    leave = shutil.ignore_patterns(".*", "__pycache__", "_build", "build", "dist", "*.egg-info")
    shutil.copytree(REPOSITORY, folder / "repository", ignore=leave)
    for made in ("examples", "generated", "results"):  # as in a clean checkout
        shutil.rmtree(folder / "repository" / "docs" / made, ignore_errors=True)
    command = [sys.executable, "-m", "sphinx", "-W", "--keep-going", "-n", "-q", "-j", "2"]
    command += [folder / "repository" / "docs", folder / "html"]
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr
    return folder / "html"


def assert_nothing_is_fetched(site):
    """Scripts, styles, fonts and pictures are beside the pages; links may lead elsewhere."""
    asks = re.compile(r'<(?:script|link|img|iframe|source)\b[^>]*\b(?:src|href)="(?:https?:)?//[^"]*"')
    found = {page.name: asks.findall(page.read_text(encoding="utf-8")) for page in site.rglob("*.html")}
    assert {name: tags for name, tags in found.items() if tags} == {}
    styles = {sheet.name: re.findall(r"url\(.?https?:", sheet.read_text("utf-8")) for sheet in site.rglob("*.css")}
    assert {name: urls for name, urls in styles.items() if urls} == {}


def assert_a_checker_of_accessibility_finds_nothing(site):
    """On some pages, light and dark; where there is a browser, which pip installs none of."""
    playwright = pytest.importorskip("playwright.sync_api", reason="drives the browser")
    axe = pytest.importorskip("axe_playwright_python.sync_playwright", reason="has the checker")
    browser = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)
    if browser is None:
        return
    with playwright.sync_playwright() as driver:
        opened = driver.chromium.launch(executable_path=browser, args=["--no-sandbox"])  # as root there is none
        for scheme in ("light", "dark"):
            page = opened.new_page(color_scheme=scheme, viewport={"width": 1200, "height": 900})
            for name in LOOKED_AT:
                page.goto((site / f"{name}.html").as_uri())
                found = axe.Axe().run(page).response["violations"]
                assert [(one["help"], [node["html"] for node in one["nodes"]]) for one in found] == [], (name, scheme)
        opened.close()
