"""Pages that stand elsewhere in the repository, and links that lead there.

Links in pages lead to files, as they do where the repository is browsed: `../CHANGELOG.md`, `../kmeans_fast/door.py`.
Here they are turned to the pages that show those files, or to copies of them.
"""

import os
import re
from pathlib import Path

DOCS = Path(__file__).resolve().parents[1]
REPOSITORY = DOCS.parent
TABLES = sorted(path.name for path in REPOSITORY.glob("benchmarks/results/*.md"))
RESULTS = {f"benchmarks/results/{name}": f"results/{name}" for name in TABLES}
# Pages by the files that they show.
SHOWN = {
    "README.md": "index.md",
    "CHANGELOG.md": "changes.md",
    "CONTRIBUTING.md": "contributing.md",
    "benchmarks/README.md": "benchmarks.md",
    "kmeans_fast/reference.py": "contract.md",
    **RESULTS,
    **{f"examples/{path.name}": f"examples/{path.stem}.rst" for path in REPOSITORY.glob("examples/*.py")},
}
LINK = re.compile(r"(?<=\]\()([^)\s:#]+)(?=[#)])")


def links_turned(text, folder):
    """The text with its links to files, which are relative to `folder`, turned to what the site has of them."""

    def turned(link):
        path = Path(os.path.normpath(folder / link[1])).relative_to(REPOSITORY).as_posix()
        if not (REPOSITORY / path).is_file():
            return link[1]
        page = SHOWN.get(path, path.removeprefix("docs/") if path.startswith("docs/") else f"../{path}")
        return f"/{page}"

    return LINK.sub(turned, text)


def pages_made(app):
    """A page for each table of results, and none of those that there were."""
    (DOCS / "results").mkdir(exist_ok=True)
    for old in {*(DOCS / "results").glob("*.md")} - {DOCS / page for page in RESULTS.values()}:
        old.unlink()
    for path, page in RESULTS.items():
        text = f"```{{include}} ../../{path}\n```\n"
        if not (DOCS / page).exists() or (DOCS / page).read_text(encoding="utf-8") != text:
            (DOCS / page).write_text(text, encoding="utf-8")


def page_read(app, docname, source):
    path = Path(app.env.doc2path(docname)).resolve()
    if path.suffix == ".md":
        source[0] = links_turned(source[0], path.parent)


def included(app, relative_path, parent_docname, source):
    path = (DOCS / relative_path).resolve()
    if path.suffix == ".md":
        source[0] = links_turned(source[0], path.parent)


def setup(app):
    app.connect("builder-inited", pages_made)
    app.connect("source-read", page_read)
    app.connect("include-read", included)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
