"""Compiles the CUDA sources for the host, under `cuda_sim.hpp`."""

import contextlib
import ctypes
import functools
import hashlib
import os
import re
import shutil
import subprocess
import tempfile
from pathlib import Path

from kmeans_fast.kernels.cuda import sources

HERE = Path(__file__).parent
COMPILER = shutil.which(os.environ.get("CXX", "g++"))
_FLAGS = (
    "-std=c++20", "-march=native", "-ffp-contract=off", "-fno-strict-aliasing", "-fPIC", "-w", "-pthread",
)  # fmt: skip
_OPTIMISED = ("-O2",)
_SUFFIXES = {"-c": ".o", "-shared": ".so"}
MOST_THREADS = 1024  # of a block, on any GPU
MOST_BLOCKS = 2**31 - 1
STATIC_SHARED = 48 << 10  # bytes that a block may declare
MOST_SHARED = 227 << 10  # and have altogether, on the largest GPU
ACCUMULATOR_BITS = 24  # that tensor cores keep of sums of halves
SANITIZERS = {
    "address": ("-O0", "-g1", "-fsanitize=address,undefined", "-fno-sanitize=vptr", "-fno-sanitize-recover=undefined"),
    "thread": ("-O1", "-g1", "-fsanitize=thread", "-DSIM_THREADS"),
}


def _folder():
    """Where compiled simulations are kept: between runs too, since they are named by what they were made from."""
    folder = Path(
        os.environ.get(
            "KMEANS_FAST_SIMULATOR_CACHE", Path(tempfile.gettempdir()) / f"kmeans-fast-simulator-{os.getuid()}"
        )
    )
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    return folder


def _compiled(kind, code, sanitizer, options=(), objects=()):
    """The path of an object ("-c") or of a library ("-shared") made from C++ `code` and from `objects`."""
    command = [COMPILER, kind, *_FLAGS, *SANITIZERS.get(sanitizer, _OPTIMISED), *options]
    key = "\n".join([*command, code, *(path.read_text() for path in sorted(HERE.glob("*.[hc]pp")))])
    target = _folder() / f"{hashlib.sha256(key.encode()).hexdigest()[:32]}{_SUFFIXES[kind]}"
    if target.exists():
        return target
    with _alone(target.with_suffix(".lock")):
        if not target.exists():  # another process may have made it meanwhile
            part = target.with_suffix(f".{os.getpid()}.part")
            command += [f"-I{HERE}", "-o", part, "-x", "c++", "-", "-x", "none", *objects]
            # A sanitizer's library is for what is compiled, not for the compiler, which it slows down.
            environment = {name: value for name, value in os.environ.items() if name != "LD_PRELOAD"}
            done = subprocess.run(command, input=code, capture_output=True, text=True, env=environment)
            if done.returncode:
                raise RuntimeError(f"the simulator does not compile:\n{done.stderr[-4000:]}")
            part.replace(target)
    return target


@contextlib.contextmanager
def _alone(path):
    """Have other processes, and threads, wait that come here with the same path."""
    import fcntl

    with open(path, "w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        try:
            yield
        finally:
            path.unlink(missing_ok=True)


def _launch_bound(source, kernel):
    """The threads that a kernel is compiled for, as C++."""
    found = re.search(rf"__launch_bounds__\((\w+)[^\n]*\)\s+{kernel}\(", source)
    return found[1] if found else MOST_THREADS


@functools.cache
def static_shared(path):
    """Bytes of shared memory that each kernel of a library declares: its static variables, which are named after it."""
    sizes = {}
    symbols = subprocess.run(["nm", "-S", "--defined-only", path], capture_output=True, text=True, check=True).stdout
    for size, kind, length, name in re.findall(r"^\w+ (\w+) (\w) _ZZ(\d+)(\w+)$", symbols, re.MULTILINE):
        if kind == "d":
            kernel = name[: int(length)]
            sizes[kernel] = sizes.get(kernel, 0) + int(size, 16)
    return sizes


def check_shared(library, kernel, dynamic_bytes, most=MOST_SHARED):
    """RuntimeError where a block of a kernel would have more shared memory than a GPU gives it."""
    static = static_shared(library._name).get(kernel, 0)
    if static > STATIC_SHARED:
        raise RuntimeError(f"{kernel}: {static:,} bytes of shared memory are declared, {STATIC_SHARED:,} are allowed")
    if static + dynamic_bytes > most:
        raise RuntimeError(f"{kernel}: {static:,} + {dynamic_bytes:,} bytes of shared memory, of {most:,}")


def simulation(source, kernels, options=(), sanitizer=""):
    """The library of `source`, whose `kernels` can be called."""
    exported = "\n".join(f"SIM_KERNEL({kernel}, {_launch_bound(source, kernel)})" for kernel in kernels)
    runtime = _compiled("-c", '#include "runtime.cpp"\n', sanitizer)
    code = f'#include "cuda_sim.hpp"\n{source}\n{exported}\n'
    return ctypes.CDLL(str(_compiled("-shared", code, sanitizer, options, [runtime])))


def sanitizer_environment(sanitizer):
    """Environment variables for a Python that loads code compiled with a sanitizer."""
    library = {"address": "libasan.so", "thread": "libtsan.so"}[sanitizer]
    path = subprocess.run([COMPILER, f"-print-file-name={library}"], capture_output=True, text=True).stdout.strip()
    return {
        "LD_PRELOAD": path,
        "ASAN_OPTIONS": "detect_leaks=0",
        "TSAN_OPTIONS": "halt_on_error=1 exitcode=66 atexit_sleep_ms=0",
        "OPENBLAS_NUM_THREADS": "1",
    }


@functools.cache
def simulated(module, sanitizer=""):
    """The library of one of the project's modules (`sources.Module`)."""
    defines = [option for option in module.options if option.startswith("-D")]
    return simulation(sources.text(module.name), sources.kernels(module.name), defines, sanitizer)


class Launch(ctypes.Structure):
    """As in cuda_sim.hpp."""

    _fields_ = [
        ("blocks", ctypes.c_uint),
        ("threads", ctypes.c_uint),
        ("dynamic_bytes", ctypes.c_size_t),
        ("cooperative", ctypes.c_uint),
        ("order", ctypes.c_uint),
        ("accumulator_bits", ctypes.c_int),
    ]


def run(
    library, kernel, blocks, threads, arguments, dynamic_bytes=0, cooperative=False, order=0, bits=ACCUMULATOR_BITS
):
    """Call a kernel with ctypes values; RuntimeError if its threads went wrong."""
    if not 0 < blocks <= MOST_BLOCKS:
        raise RuntimeError(f"{kernel}: {blocks:,} blocks, 1 to {MOST_BLOCKS:,} are allowed")
    check_shared(library, kernel, dynamic_bytes)
    function = getattr(library, f"sim_{kernel}")
    function.restype = ctypes.c_char_p
    places = (ctypes.c_void_p * len(arguments))(*(ctypes.addressof(value) for value in arguments))
    problem = function(ctypes.byref(Launch(blocks, threads, dynamic_bytes, cooperative, order, bits)), places)
    if problem:
        raise RuntimeError(f"{kernel}: {problem.decode()}")
