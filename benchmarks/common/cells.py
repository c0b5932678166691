"""Shapes of data and numbers of clusters, as the command line and the tables name them."""

from typing import NamedTuple


class Cell(NamedTuple):
    """One shape, and what was asked for there: on a CPU the ratio scikit-learn (lloyd) / ours, None if nothing was."""

    n_samples: int
    n_features: int
    n_clusters: int
    wanted: float | None = None

    def __str__(self):
        return f"({_short(self.n_samples)}, {self.n_features}, {self.n_clusters})"

    @property
    def key(self):
        """As `parse` reads it: "1000000,128,1024"."""
        return ",".join(map(str, self[:3]))


def _short(number):
    for unit, letter in ((10**6, "M"), (10**3, "k")):
        if number >= unit and number % unit == 0:
            return f"{number // unit}{letter}"
    return str(number)


def _number(text):
    unit = {"M": 10**6, "k": 10**3}.get(text[-1:], 1)
    return int(text.rstrip("Mk")) * unit


def parse(text):
    """A cell from "1M,16,256"."""
    return Cell(*map(_number, text.split(",")))


def sized(cell, tiny):
    """The cell or, to try the benchmark itself, one of the same kind with next to no data."""
    if not tiny:
        return cell
    n_samples = 1200 if cell.n_features <= 4 else 400
    n_features, n_clusters = min(cell.n_features, 40), min(cell.n_clusters, n_samples // 8)
    return cell._replace(n_samples=n_samples, n_features=n_features, n_clusters=n_clusters)


def keys(grid):
    """The units of a section: those cells that are asked for, or a grid."""
    return lambda options: [cell.key for cell in options["cells"] or grid]


def keys_among(grid):
    """The units of a section that measures no other cells: those of a grid that are asked for, or all."""

    def units(options):
        asked = {cell.key for cell in options["cells"] or grid}
        return [cell.key for cell in grid if cell.key in asked]

    return units
