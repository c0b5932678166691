"""Names in code font lead to their pages: in docstrings, and in pages, where they need no markup for it.

In a docstring `KMeans`, in single backquotes, is a name, as in numpydoc. It may be one of the API, here or of another
package, or a parameter: the first becomes a link, the others stay as they are. A dotted name of ours that there is not
is a warning.
"""

import importlib
import re
from pathlib import Path

from docutils import nodes
from sphinx.transforms.post_transforms import SphinxPostTransform
from sphinx.util.nodes import make_refnode

PACKAGE = "kmeans_fast"
NAME = re.compile(r"[A-Za-z_][\w.]*(?=(?:\(.*\))?$)")
PAGE = re.compile(r"\bdocs/(\w+)\.md\b")


def documented(env, name):
    """The full name of the one object of the API that this is the name of, or the end of it; None if there is none.

    A method needs the name of its class.
    """
    objects = env.domains["py"].objects
    for full in (name, f"{PACKAGE}.{name}"):
        if full in objects:
            return full
    ends = [full for full, entry in objects.items() if full.endswith(f".{name}") and not entry.aliased]
    found = [full for full in ends if "." in name or objects[full].objtype in ("class", "exception", "function")]
    return found[0] if len(found) == 1 else None


def link(app, env, docname, name, contents):
    """A link to the page of an object of the API, by its full name."""
    there = env.domains["py"].objects[name]
    return make_refnode(app.builder, docname, there.docname, there.node_id, contents, name)


def exists(dotted):
    """Whether there is such a module, or an attribute in one."""
    owner, parts = importlib.import_module(PACKAGE), dotted.split(".")[1:]
    for at, part in enumerate(parts):
        if not hasattr(owner, part):
            try:
                owner = importlib.import_module(".".join([PACKAGE, *parts[: at + 1]]))
            except ImportError:
                return part in getattr(owner, "__annotations__", ()) and at == len(parts) - 1
        else:
            owner = getattr(owner, part)
    return True


def unresolved(app, env, node, contents):
    """What Sphinx has not found by the name as it stands."""
    if node.get("refdomain") != "py" or node.get("reftype") != "obj":
        return None
    target = node["reftarget"]
    found = documented(env, target)
    if found:
        return link(app, env, node["refdoc"], found, contents)
    return None if target.startswith(f"{PACKAGE}.") and not exists(target) else contents


class LinkNames(SphinxPostTransform):
    """Code font in pages: names of the API become links."""

    default_priority = 5
    formats = ("html",)

    def run(self, **kwargs):
        if Path(self.env.doc2path(self.env.docname)).suffix != ".md":
            return
        for literal in list(self.document.findall(nodes.literal)):
            name = NAME.match(literal.astext())
            if not name or isinstance(literal.parent, (nodes.reference, nodes.title)):
                continue
            found = documented(self.env, name[0])
            if found and not found.endswith(f".{self.env.docname.rpartition('/')[2]}"):
                literal.replace_self(link(self.app, self.env, self.env.docname, found, literal.deepcopy()))


def skipped(app, what, name, member, skip, options):
    """What a class has from scikit-learn, and fields of named tuples: their class describes them."""
    theirs = str(getattr(member, "__module__", "")).startswith("sklearn.") or re.match(r"set_\w+_request$", name)
    return True if theirs or str(getattr(member, "__doc__", "")).startswith("Alias for field") else None


def pages_linked(app, what, name, obj, options, lines):
    """Names of pages, in docstrings."""
    lines[:] = [PAGE.sub(r":doc:`/\1`", line) for line in lines]


def setup(app):
    app.connect("missing-reference", unresolved)
    app.connect("autodoc-skip-member", skipped)
    app.connect("autodoc-process-docstring", pages_linked)
    app.add_post_transform(LinkNames)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
