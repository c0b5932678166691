"""Digests of the kernels' sources, which name what is kept on disk. To know them takes no compiler."""

import functools
import hashlib
from pathlib import Path

from ... import cache


@functools.cache
def directory_name():
    """The name of the directory in the cache: a digest of every source file of the kernels."""
    digest = hashlib.sha256()
    for path in sorted(Path(__file__).parents[1].rglob("*.py")):
        digest.update(path.read_bytes())
    return f"kernels-{digest.hexdigest()[:16]}"


def cache_directory():
    """Where compiled kernels are kept, or None where no private directory can be had."""
    return cache.directory(directory_name())
