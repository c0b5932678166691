"""How many threads this process may run: by the system, its environment, its user.

Plain Python: a GPU's side asks as well, and needs no compiler for the CPU's.
"""

import math
import os
import sys
import time
from pathlib import Path

from . import cgroups

_ROOT = Path("/")
_AGAIN = 10.0  # seconds after which the quota is read anew: it may be changed while a process runs


def affinity():
    """Processors that the process may run on."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def environment(variables=os.environ):
    """Threads by OMP_NUM_THREADS (the first number, of the outermost level) and OMP_THREAD_LIMIT; infinity without."""
    least = math.inf
    for name in ("OMP_NUM_THREADS", "OMP_THREAD_LIMIT"):
        first = variables.get(name, "").partition(",")[0].strip()
        if first.isascii() and first.isdecimal() and int(first) > 0:  # OpenMP too ignores anything else
            least = min(least, int(first))
    return least


# ---- the quota of a container --------------------------------------------------------------------------------------


def quota(root=_ROOT):
    """Processors that the cgroups of the process grant it, a fraction: infinity where none sets a limit."""
    found = [_quota_of(place, "cpu.max") for place in cgroups.directories(root, "")]
    names = "cpu.cfs_quota_us", "cpu.cfs_period_us"
    return min(found + [_quota_of(place, *names) for place in cgroups.directories(root, "cpu")])


def _quota_of(place, *names):
    """What a cgroup says in one file, or in two: processor time that is granted in a period of time."""
    try:
        allowed, period = map(int, " ".join((place / name).read_text() for name in names).split())
    except (OSError, ValueError):  # no such file; or "max": no limit
        return math.inf
    return allowed / period if allowed > 0 and period > 0 else math.inf


def whole(cpus):
    """Threads for a quota: half a processor and more is worth one.

    A thread more than is paid for stands still for the rest of every period, along with all others; to do without it
    leaves a part of the quota unused. The two cost the same at one half.
    """
    return max(1, math.floor(cpus + 0.5)) if cpus < math.inf else math.inf


class Reading:
    """What is read at most every few seconds, because that takes longer than a small fit: the quota, by default."""

    def __init__(self, read=quota, clock=time.monotonic):
        self.read, self.clock, self.last, self.value = read, clock, -math.inf, math.inf

    def __call__(self):
        now = self.clock()
        if now - self.last >= _AGAIN:
            self.value, self.last = self.read(), now
        return self.value


_current_quota = Reading()


# ---- the caller's context ------------------------------------------------------------------------------------------

_pools = (-1, ())  # of how many modules, and their thread pools


def context():
    """Threads that OpenMP may use in the calling thread, which ``threadpoolctl.threadpool_limits`` sets; or infinity.

    It sets the limit of all libraries, so the one that is limited least tells. BLAS tells where no OpenMP is loaded.
    Nobody has set a limit where threadpoolctl is not imported.
    """
    global _pools
    threadpoolctl = sys.modules.get("threadpoolctl")
    if threadpoolctl is None or not hasattr(threadpoolctl, "ThreadpoolController"):
        return math.inf
    modules, pools = _pools
    if modules != len(sys.modules):  # a library is loaded along with a module
        found = threadpoolctl.ThreadpoolController()
        pools = found.select(user_api="openmp").lib_controllers or found.select(user_api="blas").lib_controllers
        _pools = len(sys.modules), pools
    counts = [pool.get_num_threads() for pool in pools]
    return max((count for count in counts if count), default=math.inf)


def each():
    """All of these limits by name; infinity for none."""
    return {
        "affinity": affinity(),
        "environment": environment(),
        "quota": whole(_current_quota()),
        "context": context(),
    }


def usable_cpus():
    """The least of them."""
    return int(min(each().values()))
