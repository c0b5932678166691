"""Make the notebook of the tutorial from its script: `python tools/make_notebooks.py`, whenever the script changes.

The extra `notebooks` has what it needs. Cells are the script's blocks. Pictures are reduced to few colours, so that the
file stays small.
"""

import base64
import io
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT))

from kmeans_fast.cli import examples  # noqa: E402 (of this checkout)

NAMES = ("tutorial",)
_COLOURS = 128
_SETTINGS = "%config InlineBackend.print_figure_kwargs = {'dpi': 60}"  # of a cell that is run, and left out


def path_of(name):
    """The file of a notebook."""
    return ROOT / "examples" / f"{name}.ipynb"


def cells_of(name):
    """What is in a notebook's cells: pairs of a type and a source."""
    introduction, *blocks = examples.blocks(examples.source(name))
    found = [("markdown", _markdown("#", introduction))]
    for block in blocks:
        found += [("markdown", _markdown("##", block)), ("code", block.code)]
    return found


def _markdown(marks, block):
    return "\n\n".join([f"{marks} {block.title}", *map(examples.markdown, block.paragraphs)])


def make(name):
    """Run a notebook and write it."""
    import nbformat
    from nbclient import NotebookClient
    from nbformat import v4

    makers = {"markdown": v4.new_markdown_cell, "code": v4.new_code_cell}
    cells = [makers[kind](source, id=f"cell-{number}") for number, (kind, source) in enumerate(cells_of(name))]
    kernel = {"display_name": "Python 3", "language": "python", "name": "python3"}
    notebook = v4.new_notebook(cells=[v4.new_code_cell(_SETTINGS), *cells], metadata={"kernelspec": kernel})
    NotebookClient(notebook, timeout=600, kernel_name="python3", record_timing=False, resources={}).execute()
    notebook.cells = cells
    notebook.metadata = {"kernelspec": kernel}
    for number, cell in enumerate((cell for cell in cells if cell.cell_type == "code"), 1):
        cell.execution_count = number
        for output in cell.outputs:
            if "image/png" in output.get("data", {}):
                output["data"]["image/png"] = _reduced(output["data"]["image/png"])
    nbformat.validate(notebook)
    nbformat.write(notebook, path_of(name))


def _reduced(picture):
    """A PNG in base64, in few colours."""
    from PIL import Image

    out = io.BytesIO()
    image = Image.open(io.BytesIO(base64.b64decode(picture))).convert("RGB")
    image.quantize(_COLOURS, Image.Quantize.FASTOCTREE, dither=Image.Dither.NONE).save(out, "png", optimize=True)
    return base64.b64encode(out.getvalue()).decode()


if __name__ == "__main__":
    for each in NAMES:
        make(each)
        print(f"{path_of(each).relative_to(ROOT)}: {path_of(each).stat().st_size // 1000} kB")
