"""``kmeans-fast demo tutorial``: the example of that name, run step by step, and a page of it with its pictures."""

import base64
import contextlib
import io
import re
import struct
import time
import warnings
from pathlib import Path
from typing import NamedTuple

from ..reporting.templates import rendered
from ..whole_files import WholeFiles
from . import examples
from .tables import duration
from .watch import Watch

_TEMPLATE = Path(__file__).with_name("tutorial.html")
_QUICK = (("MANY", 50_000),)
_WIDE = 2.6  # times as wide as it is high
_LONG = 64  # letters of a line, of which a table's would be broken in the column of words
_STYLE = {
    "savefig.dpi": 110,
    "font.size": 10,
    "figure.constrained_layout.h_pad": 0.1,
    "figure.constrained_layout.w_pad": 0.1,
}


class Picture(NamedTuple):
    """A figure of the script."""

    png: bytes
    alternative: str  # what it shows, in words

    @property
    def address(self):
        """For a page that holds the picture itself."""
        return f"data:image/png;base64,{base64.b64encode(self.png).decode()}"

    @property
    def size(self):
        """Pixels across and down, from the header of the file."""
        return struct.unpack(">II", self.png[16:24])


class Step(NamedTuple):
    """A block of the script, run."""

    block: examples.Block
    printed: str
    pictures: list[Picture]

    @property
    def is_wide(self):
        """Whether a picture, or what is printed, is too wide to stand beside the words."""
        long = any(len(line) > _LONG for line in self.printed.splitlines())
        return long or any(across > _WIDE * down for across, down in (picture.size for picture in self.pictures))


def run(output, quick=False):
    """Run all steps, print what they print, write the page and its pictures into the directory `output`."""
    import matplotlib
    import matplotlib.pyplot as plt

    matplotlib.use("Agg")
    started = time.perf_counter()
    output.mkdir(parents=True, exist_ok=True)
    constants = _QUICK if quick else ()
    introduction, *blocks = examples.blocks(examples.source("tutorial"))
    print(introduction.title)
    print(f"(quick: {_QUICK[0][1]:,} rows stand for the millions of the last step)\n" if quick else "", flush=True)
    namespace, steps = {"__name__": "tutorial"}, []
    with plt.rc_context(_STYLE):
        for number, block in enumerate(_as_run(blocks, constants), 1):
            print(f"{number}. {block.title}", flush=True)
            with Watch() as watch:
                watch.display.phase(block.title)
                steps.append(_step(block, namespace, constants))
            print("".join(f"   {line}".rstrip() + "\n" for line in steps[-1].printed.splitlines()), flush=True)
    page = output / "tutorial.html"
    with WholeFiles() as files:
        pictures = [(step.block.title, picture) for step in steps for picture in step.pictures]
        for number, (title, picture) in enumerate(pictures, 1):
            name = re.sub(r"\W+", "-", title.lower()).strip("-")
            files.open(output / f"tutorial-{number:02}-{name}.png").write(picture.png)
        files.open(page, "w", encoding="utf-8").write(_page(introduction, steps))
    print(f"All of it on a page ({duration(time.perf_counter() - started)}), its pictures beside it:\n  {page}")


def _as_run(blocks, constants):
    """Blocks, whose titles say where a constant has another value than the script gives it."""
    for name, value in constants:
        of = re.compile(rf"^{name} = ", re.MULTILINE)
        blocks = [
            each._replace(title=f"{each.title}, here {value:,}") if of.search(each.code) else each for each in blocks
        ]
    return blocks


def _step(block, namespace, constants):
    """Run a block."""
    import matplotlib.pyplot as plt

    printed = io.StringIO()
    with contextlib.redirect_stdout(printed), warnings.catch_warnings():
        warnings.filterwarnings("ignore", "FigureCanvasAgg is non-interactive")  # of plt.show
        examples.executed(block, namespace, "plot_tutorial.py", constants)
    pictures = []
    for number in plt.get_fignums():
        figure, png = plt.figure(number), io.BytesIO()
        figure.savefig(png, format="png")
        pictures.append(Picture(png.getvalue(), _alternative(figure)))
    plt.close("all")
    return Step(block, printed.getvalue().rstrip(), pictures)


def _alternative(figure):
    """What is written in a figure: the titles of its panels, and of their axes."""
    panels = []
    for ax in figure.axes:
        title = " ".join((ax.get_title() or ax.get_title("left")).split())
        axes = [f"{name} {where}" for name, where in ((ax.get_xlabel(), "across"), (ax.get_ylabel(), "up")) if name]
        panels.append(f"{title} ({', '.join(axes)})" if axes else title)
    return f"{len(panels)} panels: " + "; ".join(panels) if len(panels) > 1 else panels[0]


def _page(introduction, steps):
    from markupsafe import Markup, escape  # Jinja's

    def prose(paragraph):
        return Markup(examples.html(str(escape(paragraph))))

    return rendered(_TEMPLATE, {"prose": prose}, introduction=introduction, steps=steps)
