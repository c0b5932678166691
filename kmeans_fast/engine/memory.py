"""The memory plan: what a fit needs is compared with what there is before anything is allocated."""

import contextlib
import os
from pathlib import Path

_NEGLIGIBLE = 16 << 20  # not worth the time of asking the system


def _first_number(path):
    try:
        return int(Path(path).read_text().split()[0])
    except (OSError, ValueError, IndexError):
        return None


def _reclaimable(text):
    """Bytes of a cgroup's memory.stat that hold files: the system takes them back when it needs them."""
    pages = dict(line.split() for line in text.splitlines())
    return sum(int(pages.get(name, 0)) for name in ("active_file", "inactive_file"))


def available_bytes():
    """Memory that can still be had, or None where the system does not tell: the least of the system's and the cgroup's."""
    found = []
    try:
        for line in Path("/proc/meminfo").read_text().splitlines():
            if line.startswith("MemAvailable:"):
                found.append(int(line.split()[1]) * 1024)
    except (OSError, ValueError):
        if hasattr(os, "sysconf") and "SC_AVPHYS_PAGES" in os.sysconf_names:
            found.append(os.sysconf("SC_AVPHYS_PAGES") * os.sysconf("SC_PAGE_SIZE"))
    limit = _first_number("/sys/fs/cgroup/memory.max")
    used = _first_number("/sys/fs/cgroup/memory.current")
    if limit is not None and used is not None:
        with contextlib.suppress(OSError, ValueError):
            used -= _reclaimable(Path("/sys/fs/cgroup/memory.stat").read_text())
        found.append(max(0, limit - max(0, used)))
    return min(found, default=None)


def shortage(needed):
    """The bytes that are available where they are fewer than `needed`; None where they suffice, as far as the system tells."""
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
