"""The memory plan: what a fit needs is compared with what there is before anything is allocated."""

import os
from pathlib import Path

from ..kernels import cgroups

try:
    import resource
except ImportError:  # Windows has no such limits
    resource = None  # type: ignore[assignment]

_STATE_SHARE = 0.5  # the rest is for the rows that are read, and for the work on them
_UNKNOWN = 1 << 30  # for states where nothing tells what there is
_NEGLIGIBLE = 16 << 20  # not worth the time of asking the system
_UNLIMITED = 1 << 60  # version 1 of cgroups says "no limit" by a number just below 2^63


def _text(path):
    try:
        return path.read_text()
    except (OSError, ValueError):
        return ""


def _first_number(path):
    """The number that a file begins with; None where there is no such file, or it says "max"."""
    words = _text(path).split()
    return int(words[0]) if words and words[0].isdecimal() else None


def _fields(path):
    """The numbers of a file with lines ``name number`` or ``name: number kB``, in bytes."""
    found = {}
    for line in _text(path).splitlines():
        name, *words = line.replace(":", " ", 1).split()
        if words and words[0].isdecimal():
            found[name] = int(words[0]) * (1024 if words[1:] == ["kB"] else 1)
    return found


def _left_in(place, limit, used):
    """Bytes left in a cgroup, given the names of the files that tell; None without a limit.

    Pages that hold files count as free: the system takes them back when it needs them.
    """
    limit = _first_number(place / limit)
    if limit is None or limit >= _UNLIMITED or (used := _first_number(place / used)) is None:
        return None
    pages = _fields(place / "memory.stat")
    files = (pages.get(f"total_{name}", pages.get(name, 0)) for name in ("active_file", "inactive_file"))
    return max(0, limit - max(0, used - sum(files)))


def _left_of_limits(root):
    """Bytes left of the limits that ``ulimit`` sets on the process's address space and its data."""
    if resource is None:
        return []
    status, left = _fields(root / "proc/self/status"), []
    for name, used in (("RLIMIT_AS", "VmSize"), ("RLIMIT_DATA", "VmData")):
        limit = resource.getrlimit(getattr(resource, name))[0] if hasattr(resource, name) else resource.RLIM_INFINITY
        if limit != resource.RLIM_INFINITY:
            left.append(max(0, limit - status.get(used, 0)))
    return left


def available_bytes(root="/"):
    """Memory that can still be had: the least that the system, cgroups (version 1 or 2) and the process's limits leave.

    Parameters
    ----------
    root : path-like
        Where ``proc`` and ``sys`` are.

    Returns
    -------
    int or None
        None where nothing tells.
    """
    root = Path(root)
    found = [_fields(root / "proc/meminfo").get("MemAvailable")]
    if found == [None] and hasattr(os, "sysconf") and "SC_AVPHYS_PAGES" in os.sysconf_names:
        found = [os.sysconf("SC_AVPHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")]
    found += [_left_in(place, "memory.max", "memory.current") for place in cgroups.directories(root, "")]
    found += [
        _left_in(place, "memory.limit_in_bytes", "memory.usage_in_bytes")
        for place in cgroups.directories(root, "memory")
    ]
    found += _left_of_limits(root)
    return min((number for number in found if number is not None), default=None)


def allowed_for_states():
    """Bytes that the states of parts whose rows are read anew may take, all together, between passes."""
    available = available_bytes()
    return _UNKNOWN if available is None else int(_STATE_SHARE * available)


def shortage(needed):
    """The bytes that are available where they are fewer than `needed`; None where they suffice, as far as one knows."""
    if needed < _NEGLIGIBLE:
        return None
    available = available_bytes()
    return available if available is not None and needed > available else None


def too_little(needed, available, what):
    """The error to raise, with the numbers: `what` needs more bytes than there are."""
    return MemoryError(
        f"{what} needs {needed / 2**30:,.2f} GiB beyond the data and {available / 2**30:,.2f} GiB are available: "
        "use fewer clusters, fewer rows at a time, or float32 data."
    )
