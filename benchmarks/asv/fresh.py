"""Measurements in a fresh process, by the same child as in peers.py."""

import sys
from pathlib import Path

sys.path.append(str(Path(__file__).parents[1]))

from common.processes import child as run  # noqa: F401
