"""How much memory there is: of the system, of the process's limits, and of a budget that a caller sets."""

import contextlib
import contextvars
import os
from pathlib import Path

from .kernels import cgroups

try:
    import resource
except ImportError:  # Windows has no such limits
    resource = None  # type: ignore[assignment]

_UNLIMITED = 1 << 60  # version 1 of cgroups says "no limit" by a number just below 2^63
_budgets: contextvars.ContextVar = contextvars.ContextVar("budgets", default=())  # (bytes, what was in use before) each


def limited(budget):
    """While it lasts, at most so many bytes more than now can be had; None: as many as before. It lifts no other."""
    return contextlib.nullcontext() if budget is None else _limited(budget)


@contextlib.contextmanager
def _limited(budget):
    token = _budgets.set((*_budgets.get(), (budget, _own_bytes())))
    try:
        yield
    finally:
        _budgets.reset(token)


def _own_bytes():
    """What the process has for itself, pages of files apart; 0 where nothing tells."""
    return _fields(Path("/proc/self/status")).get("RssAnon", 0)


def _left_of_budgets():
    budgets = _budgets.get()
    now = _own_bytes() if budgets else 0
    return [max(0, budget - max(0, now - before)) for budget, before in budgets]


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


def available_bytes(root="/", budgets=True):
    """Memory that can still be had: the least that the system, cgroups (version 1 or 2), limits and `limited` leave.

    Parameters
    ----------
    root : path-like
        Where ``proc`` and ``sys`` are.
    budgets : bool
        Whether those of `limited` count: not for pages of files.

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
    found += _left_of_limits(root) + (_left_of_budgets() if budgets else [])
    return min((number for number in found if number is not None), default=None)
