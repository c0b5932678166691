"""The sections, in the order they run, and their shares of the time."""

from types import ModuleType
from typing import NamedTuple

from . import ceilings, check, fits, iterations, wrong


class Section(NamedTuple):
    module: ModuleType  # has units(options) and run(unit, stand, context)
    share: float  # of the time, relative to the others'
    least: float  # seconds without which it is not begun


SECTIONS = {
    "check": Section(check, 220, 60),
    "ceilings": Section(ceilings, 30, 15),
    "iterations": Section(iterations, 140, 40),
    "fits": Section(fits, 65, 20),
    "wrong": Section(wrong, 45, 15),
}
