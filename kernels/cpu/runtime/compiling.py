"""Who is told that a kernel is being compiled, which takes a second or so and would look like a hang.

The logger "kmeans_fast" is, at level INFO, and so is every function in `listeners`. What is loaded from the cache is
not announced.
"""

import contextlib
import gc
import logging
import threading
import time
from collections.abc import Callable, Iterator

from ... import cache
from .digests import DIRECTORY

listeners: list[Callable[[str, float | None], object]] = []
"""Called as ``listener(kernel_name, None)`` when the compilation of a kernel begins and as
``listener(kernel_name, seconds)`` when it has ended, on the thread that compiles, which need not be the one that asked
for it. What a listener raises is logged and goes no further."""

lost: list[str] = []
"""The functions whose code could not be kept, each time that this happened in the process."""

_logger = logging.getLogger("kmeans_fast")
_here = threading.local()


class _Compilation:
    def __init__(self, kernel_name):
        self.kernel_name, self.started, self.locks = kernel_name, None, {}
        self.collects = False  # whether garbage is to be looked for again afterwards


@contextlib.contextmanager
def may_compile(kernel_name: str) -> Iterator[None]:
    """Around what compiles a kernel unless it is in the cache; `begins` tells which, on the same thread."""
    _here.compilation = compilation = _Compilation(kernel_name)
    try:
        yield
    finally:
        _here.compilation = None
        for key in tuple(compilation.locks):  # of code that could not be compiled
            compilation.locks.pop(key)()
        if compilation.collects:
            gc.enable()
        if compilation.started is not None:
            seconds = time.perf_counter() - compilation.started
            _logger.info("compiling the kernel %s took %.1f s", kernel_name, seconds)
            _tell(kernel_name, seconds)


def begins() -> None:
    """The kernel is not in the cache."""
    compilation = getattr(_here, "compilation", None)
    if compilation is not None and compilation.started is None:
        compilation.started = time.perf_counter()
        # To look for garbage takes a seventh of compiling, most of whose objects live to its end. A process compiles
        # one kernel at a time and does not fork meanwhile (`undisturbed`): it is switched on again by who did this.
        compilation.collects = gc.isenabled()
        gc.disable()
        _logger.info("compiling the kernel %s", compilation.kernel_name)
        _tell(compilation.kernel_name, None)


def alone(key, file):
    """Have other processes wait that are about to compile this code; or wait for one that does."""
    compilation = getattr(_here, "compilation", None)
    if compilation is not None:
        waiting = f"waiting for another process, which compiles the kernel {compilation.kernel_name}"
        compilation.locks[key] = cache.lock(DIRECTORY, file, lambda: _logger.info(waiting))


def done(key):
    """The code is on disk, or will not be: others need not wait."""
    compilation = getattr(_here, "compilation", None)
    if compilation is not None and key in compilation.locks:
        compilation.locks.pop(key)()


def _tell(kernel_name, seconds):
    for listener in tuple(listeners):
        try:
            listener(kernel_name, seconds)
        except Exception:
            _logger.warning("a listener of compilations failed", exc_info=True)
