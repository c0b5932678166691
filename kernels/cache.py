"""Where compiled kernels are kept: a private directory, because what is in it will be executed."""

import os
import sys
from pathlib import Path


def _default_root():
    if sys.platform == "win32":
        return Path(os.environ.get("LOCALAPPDATA") or Path.home() / "AppData" / "Local") / "kmeans_fast" / "Cache"
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "kmeans_fast"


def directory(name):
    """The directory `name` of the cache, or None where no private directory can be had.

    Set KMEANS_FAST_CACHE_DIR to move the cache, or to the empty string to do without.
    """
    root = os.environ.get("KMEANS_FAST_CACHE_DIR")
    if root == "":
        return None
    try:
        path = (Path(root) if root else _default_root()) / name
        path.mkdir(mode=0o700, parents=True, exist_ok=True)
        if not os.access(path, os.W_OK):
            return None
        if hasattr(os, "getuid") and (path.stat().st_uid != os.getuid() or path.stat().st_mode & 0o022):
            return None
        return path
    except (OSError, RuntimeError):  # RuntimeError: no home directory
        return None
