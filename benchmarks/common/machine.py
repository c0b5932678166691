"""Which machine and which libraries the numbers belong to."""

import importlib.metadata
import os
import platform
import subprocess
import time
from pathlib import Path

DISTRIBUTIONS = (
    "numpy",
    "numba",
    "llvmlite",
    "scipy",
    "scikit-learn",
    "scikit-learn-intelex",
    "daal",
    "faiss-cpu",
    "superkmeans",
    "threadpoolctl",
)


def version(distribution):
    """Its installed version, or None."""
    try:
        return importlib.metadata.version(distribution)
    except importlib.metadata.PackageNotFoundError:
        return None


def versions():
    """Versions of ours and of every library that takes part; None where not installed."""
    import kmeans_fast

    return {"kmeans_fast": kmeans_fast.__version__, **{name: version(name) for name in DISTRIBUTIONS}}


def machine():
    """A description of this machine and process, as plain values for JSON.

    Call it once the libraries are imported: the thread pools are those that are loaded.
    """
    import numba
    from kmeans_fast.kernels.cpu.machine import host
    from threadpoolctl import threadpool_info

    pools = threadpool_info()
    return {
        "cpu": _cpu_model(),
        "logical_cpus": os.cpu_count(),
        "threads": host.usable_cpus(),
        "memory_gib": round(_memory_bytes() / 2**30, 1),
        "os": platform.platform(),
        "python": platform.python_version(),
        "vector_bits": 8 * host.VECTOR_BYTES,
        "numba_threads": numba.config.NUMBA_NUM_THREADS,
        "blas": _pools(pools, "blas"),
        "openmp": _pools(pools, "openmp"),
        "load_average": os.getloadavg()[0] if hasattr(os, "getloadavg") else None,
        "time": time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime()),
        "commit": _commit(),
    }


def _pools(pools, kind):
    """The thread pools of one kind in words, each once: several libraries bring their own copy of the same."""
    found = (pool for pool in pools if pool["user_api"] == kind)
    return sorted(
        {f"{p['internal_api']} {p['version'] or ''}".strip() + f", {p['num_threads']} threads" for p in found}
    )


def _cpu_model():
    try:
        for line in Path("/proc/cpuinfo").read_text().splitlines():
            if line.startswith("model name"):
                return line.split(":", 1)[1].strip()
    except OSError:
        pass
    return platform.processor() or platform.machine()


def _memory_bytes():
    try:
        return os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
    except (AttributeError, ValueError, OSError):
        return 0


def _commit():
    """The checkout's commit, with a mark if files differ from it."""
    command = ["git", "-C", str(Path(__file__).parent), "describe", "--always", "--dirty"]
    try:
        return subprocess.run(command, capture_output=True, text=True, check=True).stdout.strip()
    except (OSError, subprocess.CalledProcessError):
        return None
