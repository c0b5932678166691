"""How many CPUs this process may use. Plain Python: a GPU's side asks as well, and needs no compiler for the CPU's."""

import math
import os
from pathlib import Path


def _cgroup_cpus():
    """CPUs granted by the cgroup's quota (containers), or infinity."""
    try:
        quota, period = Path("/sys/fs/cgroup/cpu.max").read_text().split()
        return math.inf if quota == "max" else max(1, math.floor(int(quota) / int(period)))
    except (OSError, ValueError):
        return math.inf


def usable_cpus():
    """The lesser of the affinity mask and the cgroup quota."""
    affinity = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    return int(min(affinity, _cgroup_cpus()))
