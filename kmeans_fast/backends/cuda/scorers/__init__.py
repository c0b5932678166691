"""Ways to find the nearest centroid of every row: a file each, listed here in order of preference."""

from ...forcing import Choice
from .bytes import ByteScorer
from .panels import PanelScorer
from .points import PointScorer

SCORERS = (PointScorer, ByteScorer, PanelScorer)  # see `protocol.Scorer`
_CHOICE = Choice("scorer", SCORERS)
use_scorer = _CHOICE.force


def forced_scorer():
    """The name of the scorer that is forced; empty if none is."""
    return "" if _CHOICE.forced is None else _CHOICE.forced.name


def planned_scorer(sizes, properties):
    """The scorer for `Sizes` on a device of these `Properties`: the one that is forced, else the first that applies."""
    forced = _CHOICE.forced is not None

    def against(scorer):
        # An objection may take a trial on the device (`operands.py`): first whether the scorer is wanted at all.
        return ("" if forced else scorer.decline(sizes)) or scorer.objection(sizes, properties)

    planned = _CHOICE.first(against)(sizes, properties)
    planned.forced = forced
    return planned
