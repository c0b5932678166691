"""``kmeans-fast info``: what a bug report should contain, or what a model is."""

import contextlib
import importlib.metadata
import json
import math
import os
import platform
import sys
from pathlib import Path

from .. import __version__
from ..backends import available_backends
from . import kernel_cache
from .tables import pairs

_PACKAGES = ("numpy", "numba", "llvmlite", "scikit-learn", "scipy", "pandas", "pyarrow", "matplotlib")
_GPU_PACKAGES = ("cupy", "cupy-cuda12x", "cupy-cuda13x", "cuda-bindings", "nvidia-cuda-nvrtc", "nvidia-cuda-nvrtc-cu12")
_FEATURES = [
    "sse4.2",
    "avx",
    "fma",
    "avx2",
    "avx512f",
    "avx512bw",
    "avx512vnni",
    "avx512bf16",
    "amx-bf16",
    "neon",
    "sve",
]
_VARIABLES = ("KMEANS_FAST_", "NUMBA_", "OMP_", "MKL_NUM_THREADS")


def run(args):
    """Run the subcommand."""
    if args.model is not None:
        from . import model_info

        print(json.dumps(model_info.facts(args.model)) if args.json else model_info.text(args.model))
        return
    facts = collect()
    if args.json:
        print(json.dumps(facts))
    else:
        print(_text(facts))


def collect():
    """The facts as a dict that JSON can hold; ``backends`` are names to the reason why they cannot run, or ""."""
    return {
        "versions": {"kmeans_fast": __version__, "python": platform.python_version()}
        | {name: version for name in (*_PACKAGES, *_GPU_PACKAGES) if (version := _version(name))},
        "system": {"platform": platform.platform(), "machine": platform.machine(), "executable": sys.executable},
        "cpu": {"model": _cpu_model(), "cpus": os.cpu_count(), **_host()},
        "threads": _threading(),
        "kernel_cache": kernel_cache.contents(),
        "backends": available_backends(),
        "gpus": _gpus(),
        "nvrtc": _nvrtc(),
        "environment": {name: os.environ[name] for name in sorted(os.environ) if name.startswith(_VARIABLES)},
    }


def _host():
    """What the CPU kernels see of the machine; nothing where Numba cannot be imported."""
    try:
        from ..kernels.cpu.machine import host
    except Exception:
        return {"features": [], "vector_bytes": 0, "usable_cpus": os.cpu_count()}
    features = [name for name in _FEATURES if name in host.FEATURES]
    return {"features": features, "vector_bytes": host.VECTOR_BYTES, "usable_cpus": host.usable_cpus()}


def _gpus():
    """Name, memory, driver, CuPy and compute capability of every GPU that can be used."""
    if available_backends()["cuda"]:
        return []
    try:
        from ..backends.cuda.cupy_device import CupyDevice, device_count
    except ImportError as error:  # what is wrong with CuPy belongs into a bug report
        return [f"CuPy cannot be imported: {error}"]

    return [
        f"{gpu.name}, {gpu.memory_bytes / 2**30:.0f} GiB, compute capability {gpu.compute_capability}, "
        f"driver {gpu.driver}, {gpu.runtime}"
        for gpu in (CupyDevice(number).properties for number in range(device_count()))
    ]


def _nvrtc():
    """The version of the compiler for GPUs that is loaded, which need not be a package's; or why there is none."""
    from ..backends.cuda.availability import compiler_missing
    from ..kernels.cuda import compiler

    return compiler_missing() or compiler.version()


def _version(package):
    try:
        return importlib.metadata.version(package)
    except importlib.metadata.PackageNotFoundError:
        return ""


def _cpu_model():
    try:
        for line in Path("/proc/cpuinfo").read_text().splitlines():
            if line.lower().startswith("model name"):
                return line.partition(":")[2].strip()
    except OSError:
        pass
    return platform.processor() or platform.machine()


def _threading():
    """What limits the number of threads; None where it does not."""
    from ..kernels import processors

    found = processors.each()
    with contextlib.suppress(Exception):  # whatever a Numba that cannot be imported raises
        import numba

        found["NUMBA_NUM_THREADS"] = numba.config.NUMBA_NUM_THREADS
    return {name: None if math.isinf(limit) else limit for name, limit in found.items()}


def _text(facts):
    cpu, threads, cache = facts["cpu"], facts["threads"], facts["kernel_cache"]
    lines = [
        *facts["versions"].items(),
        ("", ""),
        ("platform", facts["system"]["platform"]),
        ("cpu", cpu["model"]),
        ("features", " ".join(cpu["features"]) or "none beyond the baseline"),
        ("vectors", f"{cpu['vector_bytes']} bytes"),
        ("cpus", f"{cpu['usable_cpus']} usable of {cpu['cpus']}"),
        ("threads", ", ".join(f"{limit} by {name}" for name, limit in threads.items() if limit is not None)),
        ("kernel cache", kernel_cache.where(cache)),
        ("", ""),
        *((f"backend {name}", reason or "available") for name, reason in facts["backends"].items()),
        ("NVRTC", facts["nvrtc"]),
        *((f"cuda:{number}", gpu) for number, gpu in enumerate(facts["gpus"])),
        *facts["environment"].items(),
    ]
    return pairs(lines)
