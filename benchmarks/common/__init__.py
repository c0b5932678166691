"""What all benchmarks are made of: data and cells, contenders, processes, times, reports.

Importing it puts this folder and the checkout, which holds the simulator, at the end of the path.
"""

import os
import sys
from pathlib import Path

BENCHMARKS = Path(__file__).parents[1]
ROOT = BENCHMARKS.parent

os.environ.setdefault("KMEANS_FAST_WAIT", "1")  # kernels are what is timed, from the first fit on

for folder in map(str, (BENCHMARKS, ROOT)):
    if folder not in sys.path:
        sys.path.append(folder)
