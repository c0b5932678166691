"""Which machine, GPU and libraries the numbers belong to."""

import importlib.metadata
import os
import platform
import re
import subprocess
import sys
import time
from pathlib import Path

from .stands import memory_bytes

ON_CPU = (
    "numpy", "numba", "llvmlite", "scipy", "scikit-learn", "scikit-learn-intelex", "daal", "faiss-cpu", "superkmeans",
    "threadpoolctl",
)  # fmt: skip
ON_GPU = (
    "cupy-cuda13x", "cupy-cuda12x", "cuda-bindings", "nvidia-cuda-nvrtc", "torch", "triton", "flash-kmeans", "flashlib",
    "nvidia-cutlass-dsl", "fastkmeans", "numpy", "numba", "scikit-learn", "pytest", "pytest-xdist", "hypothesis",
)  # fmt: skip
_QUERY = (
    "name", "driver_version", "vbios_version", "memory.total", "clocks.sm", "clocks.max.sm", "clocks.max.memory",
    "power.limit", "temperature.gpu",
)  # fmt: skip


def version(distribution):
    """Its installed version, or None."""
    try:
        return importlib.metadata.version(distribution)
    except importlib.metadata.PackageNotFoundError:
        return None


def versions(distributions=ON_CPU):
    """Versions of ours and of every library that takes part; None where not installed."""
    import kmeans_fast

    return {"kmeans_fast": kmeans_fast.__version__, **{name: version(name) for name in distributions}}


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
        "memory_gib": round(memory_bytes() / 2**30, 1),
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
    found = [pool for pool in pools if pool["user_api"] == kind]
    names = [f"{pool['internal_api']} {pool['version'] or ''}".strip() for pool in found]
    return sorted({f"{name}, {pool['num_threads']} threads" for name, pool in zip(names, found)})


def _cpu_model():
    try:
        for line in Path("/proc/cpuinfo").read_text().splitlines():
            if line.startswith("model name"):
                return line.split(":", 1)[1].strip()
    except OSError:
        pass
    return platform.processor() or platform.machine()


def _commit():
    """The checkout's commit, with a mark if files differ from it."""
    command = ["git", "-C", str(Path(__file__).parent), "describe", "--always", "--dirty"]
    try:
        return subprocess.run(command, capture_output=True, text=True, check=True).stdout.strip()
    except (OSError, subprocess.CalledProcessError):
        return None


def host():
    """As `machine`; less of it where a library that tells more is missing."""
    try:
        return machine()
    except ImportError as error:
        return {"python": sys.version.split()[0], "unknown": str(error)}


def gpu():
    """What nvidia-smi says of the first GPU, without changing anything; empty where there is none."""
    command = ["nvidia-smi", "--id=0", f"--query-gpu={','.join(_QUERY)}", "--format=csv,noheader"]
    try:
        line = subprocess.run(command, capture_output=True, text=True, timeout=30, check=True).stdout.strip()
    except (OSError, subprocess.SubprocessError):
        return {}
    return dict(zip(_QUERY, (value.strip() for value in line.split(","))))


def slug(name):
    """A device's name as part of a file's: "NVIDIA H100 80GB HBM3" gives "nvidia-h100-80gb-hbm3"."""
    return re.sub(r"[^a-z0-9]+", "-", name.lower()).strip("-") or "unknown"
