"""What the kernels need to know of the machine: vector width, register count, usable CPUs. Read once, at import."""

import math
import os
import platform
from pathlib import Path

import llvmlite.binding as llvm
from numba.core import config


def cpu_features():
    """Names of the instruction sets that Numba compiles for (honours NUMBA_CPU_NAME and NUMBA_CPU_FEATURES)."""
    if config.CPU_FEATURES is not None:
        return frozenset(f[1:] for f in config.CPU_FEATURES.split(",") if f.startswith("+"))
    if config.CPU_NAME == "generic":
        return frozenset()
    return frozenset(name for name, present in llvm.get_host_cpu_features().items() if present)


def _cgroup_cpus():
    """CPUs granted by the cgroup's quota (containers), or infinity."""
    try:
        quota, period = Path("/sys/fs/cgroup/cpu.max").read_text().split()
        return math.inf if quota == "max" else max(1, math.floor(int(quota) / int(period)))
    except (OSError, ValueError):
        return math.inf


def usable_cpus():
    """CPUs that this process may use: the least of Numba's limit, the affinity mask and the cgroup quota."""
    affinity = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    return int(min(config.NUMBA_NUM_THREADS, affinity, _cgroup_cpus()))


FEATURES = cpu_features()
IS_ARM = platform.machine().lower() in ("aarch64", "arm64")
VECTOR_BYTES = 64 if "avx512f" in FEATURES else 32 if "avx" in FEATURES else 16
# A tile of POINT_VECTORS x CENTROIDS accumulators must leave registers for its operands: 32 vector registers, or 16.
POINT_VECTORS = 4 if VECTOR_BYTES == 64 or IS_ARM else 2
CENTROIDS = 4
