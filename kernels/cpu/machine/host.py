"""What the kernels need to know of the machine: vector width and register count, read once, at import; usable CPUs."""

import platform

import llvmlite.binding as llvm
from numba.core import config

from ... import processors


def cpu_features():
    """Names of the instruction sets that Numba compiles for (honours NUMBA_CPU_NAME and NUMBA_CPU_FEATURES)."""
    if config.CPU_FEATURES is not None:
        return frozenset(f[1:] for f in config.CPU_FEATURES.split(",") if f.startswith("+"))
    if config.CPU_NAME == "generic":
        return frozenset()
    return frozenset(name for name, present in llvm.get_host_cpu_features().items() if present)


def usable_cpus():
    """CPUs that kernels may use here: those that the process may, within Numba's limit."""
    return min(config.NUMBA_NUM_THREADS, processors.usable_cpus())


FEATURES = cpu_features()
IS_ARM = platform.machine().lower() in ("aarch64", "arm64")
VECTOR_BYTES = 64 if "avx512f" in FEATURES else 32 if "avx" in FEATURES else 16
VECTOR_REGISTERS = 32 if VECTOR_BYTES == 64 or IS_ARM else 16
# A tile of POINT_VECTORS x CENTROIDS accumulators leaves registers for its operands. Two fused operations may begin in
# a cycle, and each takes four: eight accumulators are enough only if nothing else ever waits (measured: 12 are faster).
POINT_VECTORS = 4 if VECTOR_REGISTERS == 32 else 3
CENTROIDS = 4
