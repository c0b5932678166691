"""What the on-disk cache of compiled kernels holds, so that a slow first run can be explained."""

import os


def contents():
    """A dict of its ``directory`` (None where none can be had), how many ``files`` it holds, and ``bytes``."""
    from ..kernels.cpu.runtime import digests

    directory = digests.cache_directory()
    if directory is None:
        return {"directory": None, "files": 0, "bytes": 0}
    sizes = [entry.stat().st_size for entry in os.scandir(directory) if entry.is_file()]
    return {"directory": str(directory), "files": len(sizes), "bytes": sum(sizes)}
