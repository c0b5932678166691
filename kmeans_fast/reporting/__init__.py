"""A report of a whole cluster analysis, on one page that needs no network."""

from .analysis import Analysis as Analysis
from .analysis import analyse as analyse
from .page import page as page
