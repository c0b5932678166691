"""Data to cluster: made in parallel, the same on any number of threads."""

from .blobs import Blobs as Blobs
from .blobs import make_blobs as make_blobs
from .blobs import write_blobs as write_blobs
