"""``python -m kmeans_fast``: the same as the console script ``kmeans-fast``."""

import sys

from .cli import main

if __name__ == "__main__":
    sys.exit(main())
