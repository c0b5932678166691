"""What benchmarks/gpu.py is made of.

Importing it makes kmeans_fast importable from the checkout where it is not installed.
"""

import importlib.util
import sys
from pathlib import Path

ROOT = Path(__file__).parents[2]
BENCHMARKS = ROOT / "benchmarks"

if importlib.util.find_spec("kmeans_fast") is None:
    sys.path.insert(0, str(ROOT))
if str(BENCHMARKS) not in sys.path:
    sys.path.insert(0, str(BENCHMARKS))
