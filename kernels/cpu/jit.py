"""How kernels are compiled, cached and run.

`inner` marks functions that kernels call; `kernel` marks the entry points. An entry point has two compiled twins of one source, serial and parallel
(`numba.prange`), each compiled on first use and cached on disk. The twins give the same bits, so the choice is free: the serial one runs for one thread,
when another thread of this process is inside a parallel region (Numba's "workqueue" layer aborts the process on concurrent entry), and in a forked
child of a process that has used the parallel one (GNU OpenMP ends such a child).

The cache lies in a directory named after the kernels' sources (a change anywhere invalidates it; Numba alone looks at one file), readable by its owner
only, because Numba's cache format is pickle. Set KMEANS_FAST_CACHE_DIR to move it, or to the empty string to do without.
"""

import contextlib
import functools
import hashlib
import os
import pickle
import sys
import threading
import types
from pathlib import Path

import numba
from numba.core import config
from numba.core.caching import CompileResultCacheImpl, FunctionCache, _CacheLocator
from numba.core.serialize import dumps

_OPTIONS = {"nogil": True, "error_model": "numpy"}

# Only `prange` is made parallel: whole-array operations in kernels work on a tile, and turning them into parallel loops costs seconds of compilation.
_PRANGE_ONLY = {
    "prange": True, "comprehension": False, "reduction": False, "inplace_binop": False, "setitem": False, "numpy": False,
    "stencil": False, "fusion": False,
}  # fmt: skip

inner = numba.njit(**_OPTIONS)


@functools.cache
def sources_digest():
    """A digest of every source file of the kernels."""
    digest = hashlib.sha256()
    for path in sorted(Path(__file__).parent.glob("*.py")):
        digest.update(path.read_bytes())
    return digest.hexdigest()[:16]


def _default_cache_root():
    if sys.platform == "win32":
        return Path(os.environ.get("LOCALAPPDATA") or Path.home() / "AppData" / "Local") / "kmeans_fast" / "Cache"
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "kmeans_fast"


def cache_directory():
    """Where compiled kernels are kept, or None where no private directory can be had."""
    root = os.environ.get("KMEANS_FAST_CACHE_DIR")
    if root == "":
        return None
    try:
        path = (Path(root) if root else _default_cache_root()) / f"kernels-{sources_digest()}"
        path.mkdir(mode=0o700, parents=True, exist_ok=True)
        if not os.access(path, os.W_OK):
            return None
        if hasattr(os, "getuid") and (path.stat().st_uid != os.getuid() or path.stat().st_mode & 0o022):
            return None
        return path
    except (OSError, RuntimeError):  # RuntimeError: no home directory
        return None


class _Locator(_CacheLocator):
    def get_cache_path(self):
        return str(cache_directory())

    def get_source_stamp(self):
        return sources_digest()

    def get_disambiguator(self):
        return "0"

    @classmethod
    def from_function(cls, py_func, py_file):
        return cls()


class _CacheContents(CompileResultCacheImpl):
    """Machine code with a digest: a flipped bit is noticed before it runs."""

    _locator_classes = [_Locator]

    def reduce(self, cres):
        content = dumps(super().reduce(cres))
        return hashlib.sha256(content).digest(), content

    def rebuild(self, target_context, payload):
        digest, content = payload
        if hashlib.sha256(content).digest() != digest:
            raise ValueError("the cached code is damaged")
        return super().rebuild(target_context, pickle.loads(content))


class _Cache(FunctionCache):
    """Numba's on-disk cache, except that a damaged or unwritable one costs a compilation, never an exception."""

    _impl_class = _CacheContents

    def load_overload(self, sig, target_context):
        try:
            return super().load_overload(sig, target_context)
        except Exception:  # whatever unpickling a damaged file raises
            return None

    def save_overload(self, sig, data):
        try:
            super().save_overload(sig, data)
        except Exception:  # the index is damaged, or the disk is full: the next process compiles again
            with contextlib.suppress(OSError):
                self.flush()


def _compile(function, suffix, **options):
    twin = types.FunctionType(function.__code__, function.__globals__, f"{function.__name__}_{suffix}")
    twin.__qualname__, twin.__module__ = twin.__name__, function.__module__
    dispatcher = numba.njit(**_OPTIONS, **options)(twin)
    if cache_directory() is not None:
        dispatcher._cache = _Cache(twin)
    return dispatcher


_region = threading.Lock()  # held inside a parallel region
_parallel_used = False
_forked = False


def _after_fork():
    global _region, _forked
    _region, _forked = threading.Lock(), _parallel_used


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_after_fork)


class Kernel:
    """An entry point: ``kernel(n_threads, *arguments)``."""

    def __init__(self, function):
        self.function, self.__doc__, self.__name__ = function, function.__doc__, function.__name__
        self._serial = self._parallel = None
        self._compiling = threading.Lock()

    def serial(self):
        """The serial twin, made on first use."""
        with self._compiling:
            if self._serial is None:
                self._serial = _compile(self.function, "serial")
        return self._serial

    def parallel(self):
        """The parallel twin, made on first use."""
        with self._compiling:
            if self._parallel is None:
                self._parallel = _compile(self.function, "parallel", parallel=_PRANGE_ONLY)
        return self._parallel

    def __call__(self, n_threads, *arguments):
        global _parallel_used
        region = _region
        if n_threads == 1 or _forked or not region.acquire(blocking=False):
            return (self._serial or self.serial())(*arguments)
        try:
            _parallel_used = True
            mask = numba.get_num_threads()
            numba.set_num_threads(min(n_threads, config.NUMBA_NUM_THREADS))
            try:
                return (self._parallel or self.parallel())(*arguments)
            finally:
                numba.set_num_threads(mask)
        finally:
            region.release()


kernel = Kernel
