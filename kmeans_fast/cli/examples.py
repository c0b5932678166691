"""The scripts of examples/: what people copy, cut into blocks of prose and code that can be run one by one.

A script begins with a docstring, a title and prose. Each block begins with a line ``# %%``, then comments, a title and
prose, then code. Titles are underlined. Prose is paragraphs, with ````code```` and links of reStructuredText, which
Sphinx reads, too.
"""

import ast
import itertools
import re
from importlib.resources import files
from typing import NamedTuple

_CODE = re.compile(r"``(.+?)``")
_LINK = re.compile(r"`([^`<]+?)\s+<([^`>]+)>`__?")


class Block(NamedTuple):
    """A piece of a script."""

    title: str
    paragraphs: list[str]
    code: str
    line: int  # of the script, from 1, where the code begins


def source(name):
    """The text of the example `name`, of the repository or of the installed package."""
    return files("kmeans_fast.examples").joinpath(f"plot_{name}.py").read_text(encoding="utf-8")


def blocks(text):
    """The blocks of a script's text, as a list of `Block`; the first one is the docstring's."""
    head, *rest = re.split(r"^# %%\n", text, flags=re.MULTILINE)
    found = [Block(*_prose(ast.get_docstring(ast.parse(head)).splitlines()), "", 1)]
    line = 1 + head.count("\n")
    for part in rest:
        lines = part.splitlines()
        comments = list(itertools.takewhile(lambda each: each.startswith("#"), lines))
        code = "\n".join(lines[len(comments) :])
        at = line + 1 + len(comments) + len(code) - len(code.lstrip("\n"))
        found.append(Block(*_prose([each[2:] for each in comments]), code.strip("\n"), at))
        line += 1 + part.count("\n")
    return found


def _prose(lines):
    """The title and the paragraphs."""
    title, _underline, *rest = lines
    paragraphs = "\n".join(rest).strip("\n").split("\n\n")
    return title, [" ".join(paragraph.split("\n")) for paragraph in paragraphs if paragraph]


def markdown(paragraph):
    """A paragraph as Markdown."""
    return _CODE.sub(r"`\1`", _LINK.sub(r"[\1](\2)", paragraph))


def html(paragraph):
    """A paragraph, from which what is special in HTML was escaped before, but for quotes, as HTML."""
    linked = re.sub(r"`([^`&]+?)\s+&lt;([^`]+?)&gt;`__?", r'<a href="\2">\1</a>', paragraph)
    return _CODE.sub(r"<code>\1</code>", linked)


def executed(block, namespace, filename, constants=()):
    """Run a block's code in `namespace`; `constants`, pairs of names and values, replace what the code gives them.

    Tracebacks have the lines of the script.
    """
    code = block.code
    for name, value in constants:
        code = re.sub(rf"^{name} = .*$", f"{name} = {value!r}", code, flags=re.MULTILINE)
    exec(compile("\n" * (block.line - 1) + code, filename, "exec"), namespace)
