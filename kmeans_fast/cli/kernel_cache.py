"""What the on-disk cache of compiled kernels holds, so that a slow first run can be explained."""

import contextlib
import hashlib
import os

DIRECTORIES = {"kernels": "for the CPU", "cuda": "for GPUs"}
_OURS = (".nbc", ".lock", ".part", ".cubin", ".ptx", "compile-times.json")  # and sources-*.json
WAY_OUT = "Set KMEANS_FAST_CACHE_DIR to a directory that you, or root, own and no one else can write to."


def contents(name="kernels"):
    """A dict of its ``directory`` (None where none can be had), whether it is ``writable``, how many ``files`` it
    holds, and ``bytes``.
    """
    from ..kernels import cache

    directory = cache.directory(name)
    if directory is None:
        return {"directory": None, "writable": False, "files": 0, "bytes": 0}
    sizes = []
    for entry in _files(directory):
        with contextlib.suppress(FileNotFoundError):  # another process has removed it
            sizes.append(entry.stat().st_size)
    return {
        "directory": str(directory),
        "writable": cache.is_writable(name),
        "files": len(sizes),
        "bytes": sum(sizes),
    }


def _files(directory):
    with os.scandir(directory) as entries:
        return [entry for entry in entries if entry.is_file(follow_symlinks=False)]


def where(found):
    """`contents` in words."""
    if found["directory"] is None:
        return "there is no directory that only you can write to"
    only = "" if found["writable"] else ", read only"
    return f"{found['directory']} ({found['files']} files, {found['bytes'] / 2**20:.1f} MiB{only})"


def damaged():
    """The names of compiled kernels whose files are not whole, or were written by someone else."""
    from ..kernels import cache

    directory = cache.directory("kernels")
    names = [] if directory is None else sorted(e.name for e in _files(directory) if e.name.endswith(".nbc"))
    found = ((name, cache.read("kernels", name)) for name in names)
    return [name for name, code in found if code is None or hashlib.sha256(code[32:]).digest() != code[:32]]


def clear():
    """Remove everything that is ours; how many files that were, and how many could not be removed."""
    from ..kernels import cache

    removed, left = 0, 0
    for name in DIRECTORIES:
        directory = cache.directory(name)
        for entry in [] if directory is None else _files(directory):
            if entry.name.endswith(_OURS) or entry.name.startswith("sources-"):
                if cache.remove(name, entry.name):
                    removed += 1
                else:
                    left += 1
    return removed, left
