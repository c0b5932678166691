"""The report as a browser shows it: in light and dark, wide and narrow, on paper, by keyboard, to those who do not see.

axe-core is what Deque's checker of accessibility runs; a package brings it, and nothing is fetched.
"""

import shutil

import pytest

from kmeans_fast.datasets import make_blobs
from kmeans_fast.reporting import analyse, page

pytest.importorskip("jinja2", reason="reports need Jinja2")
pytest.importorskip("matplotlib", reason="reports need matplotlib").use("Agg")
playwright = pytest.importorskip("playwright.sync_api", reason="drives the browser")
axe = pytest.importorskip("axe_playwright_python.sync_playwright", reason="has the checker")

BROWSER = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)
if BROWSER is None:
    pytest.skip("no Chromium is installed, and pip installs none", allow_module_level=True)


@pytest.fixture(scope="module")
def address(tmp_path_factory):
    """Of a report with every section, and with names that are long."""
    X = make_blobs(500, 14, centers=4, center_box=(-20, 20), random_state=2)[0] * [1, 1000, 1, 2, *[1] * 10]
    X[7] = 1e4
    names = ["age", "spend", "days since the last visit of the customer", "unbroken_name_of_a_column_" * 3]
    names += ["<script>e</script>", "recency_days", *"ghijklmn"]
    command = "kmeans-fast report 'customers of the last ten years.csv' --scale standard -k 2:6 -o customers.html"
    found = analyse(
        X, [2, 3, 4, 5, 6], names=names, title="customers.csv", seed=0, command=command,
        prepared=X / X.std(axis=0),
    )  # fmt: skip
    path = tmp_path_factory.mktemp("report") / "report.html"
    path.write_text(page(found), encoding="utf-8")
    return path.as_uri()


@pytest.fixture(scope="module")
def chromium():
    with playwright.sync_playwright() as driver:
        browser = driver.chromium.launch(executable_path=BROWSER, args=["--no-sandbox"])  # as root there is none
        yield browser
        browser.close()


@pytest.fixture
def opened(chromium, address):
    """``opened(**options of the context)``: the report's page; ``page.said`` has its requests and messages."""
    contexts = []

    def opened(**options):
        contexts.append(chromium.new_context(**options))
        found = contexts[-1].new_page()
        found.said = []
        found.on("console", lambda message: found.said.append(message.text))
        found.on("pageerror", lambda error: found.said.append(str(error)))
        found.on("request", lambda request: request.url.startswith("data:") or found.said.append(request.url))
        found.goto(address)
        return found

    yield opened
    for context in contexts:
        context.close()


@pytest.mark.parametrize("width", [360, 1200])
@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_a_checker_of_accessibility_finds_nothing(opened, scheme, width):
    shown = opened(color_scheme=scheme, viewport={"width": width, "height": 900})
    sections = {"health", "choice", "clusters", "quality", "outliers", "again"}
    assert sections == set(shown.evaluate("[...document.querySelectorAll('h2')].map(one => one.id)"))
    found = axe.Axe().run(shown).response["violations"]
    assert [(one["impact"], one["help"], [node["html"] for node in one["nodes"]]) for one in found] == []


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_nothing_is_asked_for_and_nothing_goes_wrong(opened, address, scheme):
    shown = opened(color_scheme=scheme)
    assert shown.evaluate("[...document.images].every(one => one.complete && one.naturalWidth > 100)")
    assert shown.said == [address]


def test_pictures_are_of_the_pages_colours(opened):
    """The corner of each that is shown has the colour of the page."""
    corner = """one => {
        const canvas = document.createElement("canvas");
        canvas.getContext("2d").drawImage(one, 0, 0);
        return [...canvas.getContext("2d").getImageData(1, 1, 1, 1).data].slice(0, 3);
    }"""
    visible = "[...document.images].filter(one => one.checkVisibility())"
    for scheme in ("light", "dark"):
        shown = opened(color_scheme=scheme)
        paper = shown.evaluate("getComputedStyle(document.body).backgroundColor.match(/\\d+/g).map(Number)")
        assert shown.evaluate(f"{visible}.map({corner})") == [paper] * 5
    shown.emulate_media(media="print")
    assert shown.evaluate(f"{visible}.map({corner})") == [[255, 255, 255]] * 5


def test_narrow_screens_need_no_scrolling_across(opened):
    shown = opened(viewport={"width": 320, "height": 700})
    assert shown.evaluate("document.documentElement.scrollWidth") <= 320
    words = "[...document.querySelectorAll('th.name')].filter(one => one.innerText == 'recency_days')"
    lines = "parseFloat(getComputedStyle(one).lineHeight) * 2"
    assert shown.evaluate(f"{words}.map(one => one.clientHeight < {lines})") == [True] * 2  # not broken
    ends = """[...document.querySelectorAll("caption")].map(caption => {
        const words = document.createRange();
        words.selectNodeContents(caption);
        return words.getBoundingClientRect().right})"""
    assert max(shown.evaluate(ends)) <= 320  # what tables are is read without scrolling them


def test_everything_is_reached_by_keyboard(opened):
    shown = opened(viewport={"width": 500, "height": 700})
    inside = "[...document.querySelectorAll('a, .wide, pre')].map(one => one.outerHTML.slice(0, 80))"
    wanted, reached = shown.evaluate(inside), []
    for _ in wanted:
        shown.keyboard.press("Tab")
        reached.append(shown.evaluate("document.activeElement.outerHTML.slice(0, 80)"))
        assert shown.evaluate("getComputedStyle(document.activeElement).outlineStyle") == "solid"
    assert reached == wanted
    scrolled = "[...document.querySelectorAll('*')].filter(one => getComputedStyle(one).overflowX == 'auto')"
    assert shown.evaluate(f"{scrolled}.every(one => one.tabIndex == 0)")


def test_on_paper_nothing_is_cut_off(opened):
    shown = opened(viewport={"width": 680, "height": 960}, color_scheme="dark")  # A4 less its margins
    shown.emulate_media(media="print", color_scheme="light")  # as browsers print
    cut = "[...document.querySelectorAll('img, table, pre')].filter(one => one.getBoundingClientRect().right > 680)"
    assert shown.evaluate(f"{cut}.map(one => one.outerHTML.slice(0, 200))") == []
    assert shown.evaluate("getComputedStyle(document.querySelector('nav')).display") == "none"
    scale = "(one => [one.width / one.naturalWidth, Math.min(1, 680 / one.naturalWidth)])"
    scaled, fitting = shown.evaluate(f"{scale}(document.querySelector('img.light[alt^=\"A table of features\"]'))")
    assert scaled > 0.98 * fitting  # its numbers are read: it is as large as the paper lets it
    assert shown.pdf(format="A4").startswith(b"%PDF")


def test_names_of_columns_are_no_markup(opened):
    shown = opened()
    assert shown.evaluate("document.scripts.length") == 0
    assert shown.locator("th", has_text="<script>e</script>").count() > 0
