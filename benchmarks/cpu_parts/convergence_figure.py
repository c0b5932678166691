"""The rows of convergence.py as a figure for a slide: every library relative to ours.

Drawn without pyplot, so that nothing global changes.
"""

import math

from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.ticker import FixedLocator, NullLocator

from .contenders import OURS
from .convergence_report import SCIKIT_LEARN, contenders, mean, memory_ratio, time_ratio

_DPI = 160
_INK, _SOFT, _RULE, _BLUE = "#22262b", "#6b747e", "#e3e6ea", "#0b6fb8"
# Okabe and Ito's colours, told apart by all eyes, and a shape for each: (name, colour, marker, filled).
_STYLES = {
    OURS: (OURS, _BLUE, "o", True),
    "sklearn lloyd": ("scikit-learn, Lloyd", "#d55e00", "o", True),
    "sklearn elkan": ("scikit-learn, Elkan", "#d55e00", "o", False),
    "sklearnex": ("scikit-learn-intelex", "#e69f00", "s", True),
    "faiss": ("FAISS", "#009e73", "D", True),
    "superkmeans": ("SuperKMeans, approximate", "#cc79a7", "^", True),
}
_TIMES = "\N{MULTIPLICATION SIGN}"
_SIZES = {"o": 8.5, "s": 7.5, "D": 7.0, "^": 9.5}  # points, of about the same area

# Inches.
_WIDTH, _SIDE, _GAP, _ROW, _TOP, _FOOT = 16.0, 0.5, 0.45, 0.36, 2.2, 0.95
_LETTER = 0.09  # of a row's name, on average; its sizes are smaller
_DOT = 0.13  # closer than that, two symbols of a row move apart
_MARGIN, _NUMBER = 0.16, 0.6  # of a panel, beside the outermost symbol, and where a number follows it
_SHIFT = 0.3  # rows by which they do


def draw(path, report):
    """Draw a report of convergence.py, with what it has of time and memory, to `path`."""
    rows = sorted(report["rows"], key=lambda row: time_ratio(row, "same_start", SCIKIT_LEARN) or 0.0, reverse=True)
    names = contenders(rows)
    panels = [
        ("Time from the same start", 5.0, {n: [time_ratio(row, "same_start", n) for row in rows] for n in names}),
        ("Time with seeding", 2.2, {SCIKIT_LEARN: [time_ratio(row, "end_to_end", SCIKIT_LEARN) for row in rows]}),
    ]
    if any("memory" in row for row in rows):
        panels.append(("Peak memory beyond X", 3.2, {n: [memory_ratio(row, n) for row in rows] for n in names}))
    height = _TOP + _ROW * (len(rows) + 1.5) + _FOOT
    figure = Figure(figsize=(_WIDTH, height), dpi=_DPI, facecolor="white")
    _write(figure, report, names, height)
    labels = [(row["data"], _shape(row["shape"])) for row in rows]
    left = _SIDE + max(_LETTER * len(name) for name, _ in labels) + max(0.8 * _LETTER * len(s) for _, s in labels) + 0.6
    _label(figure, labels, left, height)
    room = _WIDTH - left - _SIDE - _GAP * (len(panels) - 1)
    for title, share, ratios in panels:
        width = room * share / sum(panel[1] for panel in panels)
        axes = figure.add_axes(
            (left / _WIDTH, _FOOT / height, width / _WIDTH, (height - _TOP - _FOOT) / height), xscale="log"
        )
        _panel(axes, title, ratios, len(rows), width)
        left += width + _GAP
    figure.savefig(path)


def _write(figure, report, names, height):
    """Title, legend and notes."""

    def text(x, y, words, **style):
        figure.text(x / _WIDTH, y / height, words, va="center", **style)

    rows, machine = report["rows"], report["machine"]
    alone, seeded = (mean(time_ratio(row, part, SCIKIT_LEARN) for row in rows) for part in ("same_start", "end_to_end"))
    title = "Time to convergence"
    if alone and seeded:
        title = f"scikit-learn takes {alone:.1f} times as long as kmeans_fast, {seeded:.1f} times with seeding"
    text(_SIDE, height - 0.5, title, fontsize=21, fontweight="bold", color=_INK)
    remembers = any("memory" in row for row in rows)
    worse = "slower, or more memory" if remembers else "slower"
    cpu = machine["cpu"].replace("(R)", "").replace("(TM)", "")
    scale = f"Fits to convergence relative to kmeans_fast, on a logarithmic scale: farther right is {worse}."
    text(_SIDE, height - 0.93, f"{scale} {machine['threads']} threads, {cpu}.", fontsize=12.5, color=_SOFT)
    handles = [Line2D([], [], ls="", label=OURS, **_marker(OURS))]
    handles += [Line2D([], [], ls="", label=_style(name)[0], **_marker(name)) for name in names]
    place = {"loc": "center left", "bbox_to_anchor": (_SIDE / _WIDTH, 1 - 1.42 / height), "ncols": len(handles)}
    spacing = {"borderaxespad": 0, "borderpad": 0, "handlelength": 0.7, "handletextpad": 0.6, "columnspacing": 2.0}
    figure.legend(handles=handles, frameon=False, fontsize=12.5, labelcolor=_INK, **place, **spacing)
    notes = (
        "Medians. Libraries without a stopping rule run as many iterations as kmeans_fast. With seeding: five seeds"
        " each. No symbol: not run, or too slow to wait for."
    )
    if remembers:
        notes += " Peaks below 1 MiB count as 1 MiB."
    text(_SIDE, 0.3, notes, fontsize=10, color=_SOFT)


def _label(figure, labels, left, height):
    """Data and sizes of every row, the mean's below."""
    for position, (name, shape) in enumerate(labels):
        y = 1 - (_TOP + _ROW * (position + 0.5)) / height
        figure.text(_SIDE / _WIDTH, y, name, va="center", fontsize=12, color=_INK)
        figure.text((left - 0.2) / _WIDTH, y, shape, va="center", ha="right", fontsize=10.5, color=_SOFT)
    y = 1 - (_TOP + _ROW * (len(labels) + 1)) / height
    figure.text(_SIDE / _WIDTH, y, "Geometric mean", va="center", fontsize=12, fontweight="bold", color=_INK)


def _panel(axes, title, ratios, n_rows, width):
    """One line a row with a symbol for every library, and the means."""
    columns = {OURS: [1.0] * (n_rows + 1), **{name: [*found, mean(found)] for name, found in ratios.items()}}
    heights = [row + 0.5 for row in range(n_rows)] + [n_rows + 1.0]
    numbered = len(ratios) == 1  # there is room
    known = [math.log(ratio) for column in columns.values() for ratio in column if ratio]
    unit = max(max(known) - min(known), math.log(2)) / (width - _MARGIN - (_NUMBER if numbered else _MARGIN))  # an inch
    low, high = math.exp(min(known) - unit * _MARGIN), math.exp(min(known) + unit * (width - _MARGIN))
    axes.set(xlim=(low, high), ylim=(n_rows + 1.5, 0))
    axes.hlines(heights, low, high, color=_RULE, lw=1, zorder=0)
    axes.axvline(1, color=_BLUE, lw=1.5, zorder=1)
    for row, y in enumerate(heights):
        found = {name: column[row] for name, column in columns.items() if column[row]}
        if numbered:
            for name in ratios.keys() & found.keys():
                axes.hlines(y, 1, found[name], color=_style(name)[1], lw=1.5, zorder=1, alpha=0.5)
                where = {"xytext": (8, 0), "textcoords": "offset points", "va": "center"}
                weight = "bold" if row == n_rows else "normal"
                text = f"{found[name]:.1f}"
                axes.annotate(text, (max(1, found[name]), y), **where, fontsize=11, color=_INK, fontweight=weight)
        for name, shift in _apart(found, _DOT * unit).items():
            axes.plot(found[name], y + (0 if numbered else shift), ls="", zorder=4, **_marker(name))
    ticks = _ticks(low, high, width)
    axes.xaxis.set_major_locator(FixedLocator(ticks))
    axes.xaxis.set_minor_locator(NullLocator())
    axes.set_xticklabels([f"{tick:g}{_TIMES}" for tick in ticks])
    axes.set_yticks([])
    axes.set_title(title, fontsize=13.5, color=_INK, loc="left", fontweight="bold", pad=10)
    axes.spines[["top", "right", "left"]].set_visible(False)
    axes.spines["bottom"].set_color(_SOFT)
    axes.tick_params(axis="x", colors=_INK, labelsize=11)


def _ticks(low, high, width):
    """1, 2, 5, 10, ... within the limits, or 1, 10, ... where there is no room for as many."""
    decades = range(math.floor(math.log10(low)), math.ceil(math.log10(high)) + 1)
    for steps in ((1, 2, 5), (1, 3), (1,)):
        ticks = [step * 10.0**decade for decade in decades for step in steps if low <= step * 10.0**decade <= high]
        if len(ticks) <= 2 * width:
            break
    return ticks


def _apart(ratios, near):
    """Shifts, in rows, of symbols that would hide one another.

    Those whose logarithms are closer than `near` lie in lanes.
    """
    shifts, chain, ends = {}, {}, []  # a chain of neighbours: their lanes, and where each lane ends
    for name in sorted(ratios, key=ratios.get):
        position = math.log(ratios[name])
        if ends and position - max(ends) >= near:
            shifts |= _spread(chain, len(ends))
            chain, ends = {}, []
        lane = next((lane for lane, end in enumerate(ends) if position - end >= near), len(ends))
        ends[lane : lane + 1] = [position]
        chain[name] = lane
    return shifts | _spread(chain, len(ends))


def _spread(chain, lanes):
    distance = min(_SHIFT, 0.8 / lanes)  # stay clear of the rows above and below
    return {name: (lane - (lanes - 1) / 2) * distance for name, lane in chain.items()}


def _shape(text):
    """From "(1,797, 64, 10)" to "1,797 x 64, k = 10"."""
    n, d, k = text.strip("()").split(", ")
    return f"{n} {_TIMES} {d}, k = {k}"


def _style(name):
    return _STYLES.get(name, (name, _SOFT, "v", True))


def _marker(name):
    _, colour, marker, filled = _style(name)
    edge = {"mec": "white", "mew": 0.7} if filled else {"mec": colour, "mew": 1.8}
    face = colour if filled else "white"
    return {"color": colour, "mfc": face, "marker": marker, "ms": _SIZES.get(marker, 8), **edge}
