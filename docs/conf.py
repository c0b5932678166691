"""The documentation: `sphinx-build -W --keep-going docs <folder>` makes it, without a network."""

import re
import sys
from pathlib import Path

from numpydoc.xref import DEFAULT_LINKS
from sphinx_gallery.sorting import ExplicitOrder

import kmeans_fast

sys.path.append(str(Path(__file__).parent / "extensions"))

project = "kmeans_fast"
author = "the developers of kmeans_fast"
copyright = "the developers of kmeans_fast, BSD-3-Clause"
release = version = kmeans_fast.__version__

extensions = [
    "myst_parser",
    "numpydoc",
    "sphinx.ext.autodoc",
    "sphinx.ext.autosummary",
    "sphinx_copybutton",
    "sphinx_design",
    "sphinx_gallery.gen_gallery",
    "command_line",  # this one and those that follow are ours, in extensions/
    "names",
    "pictures",
    "repository",
]
templates_path = ["templates"]
exclude_patterns = ["extensions", "templates", "**/GALLERY_HEADER.*", "**sg_execution_times.rst"]
nitpicky = True

myst_enable_extensions = ["colon_fence", "deflist"]
myst_heading_anchors = 4

# Docstrings name things in single backquotes: a link where there is a page of it, code font where there is none.
default_role = "py:obj"
autodoc_typehints = "none"  # numpydoc's sections say what parameters are
# Names of files that are apart where case does not count.
autosummary_filename_map = {
    f"kmeans_fast.{name}": f"kmeans_fast.{name}-function" for name in ("kmeans", "dask.kmeans", "preparation.health")
}
numpydoc_show_class_members = False
# Types of parameters lead to our classes, and to nothing else: inventories of other sites would have to be fetched.
CLASS = re.compile(r"^   ((?:\w+\.)*([A-Z]\w+))$", re.MULTILINE)
API = CLASS.findall((Path(__file__).parent / "api.md").read_text(encoding="utf-8"))
numpydoc_xref_param_type, numpydoc_xref_ignore = True, "all"
numpydoc_xref_aliases = dict(zip(DEFAULT_LINKS, DEFAULT_LINKS))
numpydoc_xref_aliases |= {name: f"kmeans_fast.{path}" for path, name in reversed(API)}  # the first of a name

sphinx_gallery_conf = {
    "examples_dirs": "../examples",
    "gallery_dirs": "examples",
    "abort_on_example_error": True,
    "download_all_examples": False,
    "show_memory": False,
    "show_signature": False,
    "min_reported_time": 1e9,  # times of one build say nothing
    "remove_config_comments": True,
    "within_subsection_order": ExplicitOrder(["plot_tutorial.py", "plot_photograph.py", "plot_customers.py", "*"]),
    "doc_module": ("kmeans_fast",),
    "backreferences_dir": "generated/examples_of",
}

html_theme = "pydata_sphinx_theme"
html_title = "kmeans_fast"
html_sidebars = {"start": [], "changes": []}  # there is nothing below them
html_static_path = ["static"]
html_css_files = ["style.css"]
html_show_sourcelink = False
html_copy_source = False
html_theme_options = {
    "logo": {"text": "kmeans_fast"},
    "navigation_with_keys": False,
    "header_links_before_dropdown": 7,
    "show_prev_next": True,
    "footer_start": ["copyright"],
    "footer_end": [],
}

copybutton_prompt_text = r">>> |\.\.\. |\$ "
copybutton_prompt_is_regexp = True
