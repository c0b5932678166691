"""``kmeans-fast demo tutorial``, and the scripts of examples/ that it and the notebook are made of."""

import ast
import html.parser
import json
import re

import pytest
from command_line import check_error, run_process
from support import REPOSITORY

from kmeans_fast.cli import examples
from kmeans_fast.cli.tutorial import Step
from kmeans_fast.metrics import compare_labels
from tools import make_notebooks

SCRIPTS = sorted((REPOSITORY / "examples").glob("plot_*.py"))
SMALL = '''"""
A title: words
==============

What it is
about, with ``code`` & a `link <https://example.org/a?b=1&c=2>`_.

Another paragraph.
"""

# %%
# First
# -----
# Prose.

NUMBER = 5_000
print(NUMBER)

# %%
# Second
# ------

double = 2 * NUMBER
1 / 0
'''


def test_a_script_is_cut_into_titles_prose_and_code():
    introduction, first, second = examples.blocks(SMALL)
    assert introduction.title == "A title: words"
    linked = "What it is about, with ``code`` & a `link <https://example.org/a?b=1&c=2>`_."
    assert introduction.paragraphs == [linked, "Another paragraph."]
    assert (first.title, first.paragraphs, first.code) == ("First", ["Prose."], "NUMBER = 5_000\nprint(NUMBER)")
    assert (second.title, second.paragraphs) == ("Second", [])
    assert SMALL.splitlines()[second.line - 1] == second.code.splitlines()[0]
    assert examples.markdown(linked) == "What it is about, with `code` & a [link](https://example.org/a?b=1&c=2)."
    escaped = linked.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")
    assert examples.html(escaped) == (
        'What it is about, with <code>code</code> &amp; a <a href="https://example.org/a?b=1&amp;c=2">link</a>.'
    )


def test_a_block_is_run_with_other_constants_and_fails_in_its_own_line(capsys):
    _, first, second = examples.blocks(SMALL)
    names = {}
    examples.executed(first, names, "script.py", [("NUMBER", 7)])
    assert capsys.readouterr().out == "7\n"
    with pytest.raises(ZeroDivisionError) as failed:
        examples.executed(second, names, "script.py")
    assert names["double"] == 14
    assert SMALL.splitlines()[failed.traceback[-1].lineno] == "1 / 0"


@pytest.mark.parametrize("path", SCRIPTS, ids=lambda path: path.stem)
def test_scripts_hold_what_is_understood_here(path):
    """Other markup of reStructuredText would stand as it is on the page and in the notebook."""
    text = path.read_text(encoding="utf-8")
    blocks = examples.blocks(text)
    code = ast.parse("\n".join(block.code for block in blocks))
    assert ast.dump(code) == ast.dump(ast.Module(ast.parse(text).body[1:], []))
    for block in blocks:
        for paragraph in block.paragraphs:
            left = re.sub(r"`[^`]*`|\[.*?\]\(.*?\)", "", examples.markdown(paragraph))
            assert not re.search(r"[`*|]|^\.\. |^[-+#] |:\w+:|\w_\b", left), paragraph


class Page(html.parser.HTMLParser):
    """The pictures and titles of a page."""

    def __init__(self, text):
        super().__init__()
        self.pictures, self.titles, self.addresses, self._in = [], [], [], ""
        self.feed(text)

    def handle_starttag(self, tag, attributes):
        attributes, self._in = dict(attributes), tag
        if tag == "img":
            self.pictures.append(attributes)
        self.addresses += [attributes[name] for name in ("href", "src") if name in attributes]

    def handle_endtag(self, tag):
        self._in = ""

    def handle_data(self, data):
        if self._in == "h2":
            self.titles.append(data)


def test_the_tutorial_prints_its_steps_and_writes_a_page(tmp_path):
    for module in ("matplotlib", "jinja2"):
        pytest.importorskip(module)
    done = run_process(tmp_path, "demo", "tutorial", "--quick", "-o", "out")
    titles = [f"{n}. {block.title}" for n, block in enumerate(examples.blocks(examples.source("tutorial"))[1:], 1)]
    titles[-1] += ", here 50,000"  # on a page of which the script has five million
    lines = done.stdout.splitlines()
    assert [line for line in lines if re.match(r"\d+\. ", line)] == titles
    for words in ("3 clusters (clear)", "Adelie is cluster", "accuracy 92", "on 15,000 rows"):
        assert words in done.stdout
    assert lines[-1].strip().endswith("tutorial.html")
    page = Page((tmp_path / "out" / "tutorial.html").read_text(encoding="utf-8"))
    assert page.titles == titles
    pictures = sorted(path.name for path in (tmp_path / "out").glob("*.png"))
    assert len(pictures) == len(page.pictures) >= len(titles) - 1
    assert all(picture["alt"] for picture in page.pictures)
    assert all(address.startswith(("#", "data:")) for address in page.addresses)


def test_tables_have_room_on_the_page():
    """Rows of a table that are broken in the middle cannot be read."""
    class_report = str(compare_labels([0, 0, 1, 1], [1, 1, 0, 0]))
    assert Step(None, class_report, []).is_wide
    assert not Step(None, "the best of 10 starts:\nn_iter_ 6, inertia_ 604.75", []).is_wide


def test_the_tutorial_without_jinja_says_what_to_install(tmp_path):
    done = run_process(tmp_path, "demo", "tutorial", code=1, without=["jinja2"])
    assert "Jinja2: install them (the extra 'report')" in check_error(done.stdout, done.stderr)


@pytest.mark.parametrize("name", make_notebooks.NAMES)
def test_the_notebook_is_that_of_the_script_and_has_been_run(name):
    path = make_notebooks.path_of(name)
    cells = json.loads(path.read_text(encoding="utf-8"))["cells"]
    there = [(cell["cell_type"], "".join(cell["source"])) for cell in cells]
    assert there == make_notebooks.cells_of(name), "run tools/make_notebooks.py"
    outputs = [cell["outputs"] for cell in cells if cell["cell_type"] == "code"]
    assert all(outputs)
    assert {output["output_type"] for each in outputs for output in each} <= {"stream", "display_data"}
    assert path.stat().st_size < 400_000
