"""Ways to find the nearest centroid of every row: a file each, listed here in order of preference."""

from ...forcing import Choice
from .panels import PanelScorer
from .points import PointScorer

SCORERS = (PointScorer, PanelScorer)  # see `protocol.Scorer`
_CHOICE = Choice("scorer", SCORERS)
use_scorer = _CHOICE.force


def planned_scorer(sizes, properties):
    """The scorer for `Sizes` on a device of these `Properties`: the one that is forced, else the first that applies."""
    return _CHOICE.first(lambda scorer: scorer.objection(sizes, properties))(sizes, properties)
