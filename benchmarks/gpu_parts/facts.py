"""Which GPU, driver and libraries the numbers belong to."""

import re
import subprocess
import sys

from common.machine import machine, version

DISTRIBUTIONS = (
    "cupy-cuda13x",
    "cupy-cuda12x",
    "cuda-bindings",
    "nvidia-cuda-nvrtc",
    "torch",
    "triton",
    "flash-kmeans",
    "flashlib",
    "nvidia-cutlass-dsl",
    "fastkmeans",
    "numpy",
    "numba",
    "scikit-learn",
    "pytest",
    "pytest-xdist",
    "hypothesis",
)
_QUERY = "name,driver_version,vbios_version,memory.total,clocks.sm,clocks.max.sm,clocks.max.memory,power.limit,temperature.gpu"


def versions():
    """Of ours and of all that takes part; None where not installed."""
    import kmeans_fast

    return {"kmeans_fast": kmeans_fast.__version__, **{name: version(name) for name in DISTRIBUTIONS}}


def gpu():
    """What nvidia-smi says of the first GPU, without changing anything; empty where there is none."""
    command = ["nvidia-smi", "--id=0", f"--query-gpu={_QUERY}", "--format=csv,noheader"]
    try:
        line = subprocess.run(command, capture_output=True, text=True, timeout=30, check=True).stdout.strip()
    except (OSError, subprocess.SubprocessError):
        return {}
    return dict(zip(_QUERY.split(","), (value.strip() for value in line.split(","))))


def host():
    """The machine around the GPU; less of it where a library that tells more is missing."""
    try:
        return machine()
    except ImportError as error:
        return {"python": sys.version.split()[0], "unknown": str(error)}


def slug(name):
    """A device's name as part of a file's: "NVIDIA H100 80GB HBM3" gives "nvidia-h100-80gb-hbm3"."""
    return re.sub(r"[^a-z0-9]+", "-", name.lower()).strip("-") or "unknown"
