"""Model files with other contents."""

import json

import numpy as np
import pytest

import kmeans_fast


def rewrite(path, **changes):
    """The file with some of its arrays replaced; None leaves one out."""
    with np.load(path) as archive:
        arrays = {**archive, **changes}
    np.savez(path, **{name: array for name, array in arrays.items() if array is not None})


def rewrite_header(path, **changes):
    with np.load(path) as archive:
        header = {**json.loads(archive["header"].tobytes()), **changes}
    kept = {name: value for name, value in header.items() if value is not ...}
    rewrite(path, header=np.frombuffer(json.dumps(kept).encode(), np.uint8))


def refused(path):
    with pytest.raises(ValueError, match=r"."):
        kmeans_fast.load(path)
