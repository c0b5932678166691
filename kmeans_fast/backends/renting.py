"""NumPy until compiled kernels pay: a first answer does not wait for a compiler.

Compiled kernels are bought, for seconds of compiling; time in NumPy is the rent. Nobody knows how many fits will
follow, so this is the problem of ski rental (Karlin et al. 1988): to rent until the rent comes to the price, and then
to buy, costs at most twice what would have been best in hindsight, whatever follows. A step that would bring the rent
above the price is not begun: then the rule of twice holds for steps of any length, as far as that is known.

Kernels that are loaded or on disk cost nothing and are used. Seeds and labels are the same bits, so a fit changes from
NumPy to kernels between two steps. ``KMEANS_FAST_WAIT=1`` has kernels compiled at once, as before a benchmark.
"""

import functools
import importlib.util
import json
import logging
import math
import os
import sys
import time

from ..kernels import cache
from ..kernels.cpu.runtime import compiling
from ..kernels.cpu.runtime.digests import DIRECTORY

ENVIRONMENT = "KMEANS_FAST_WAIT"
_TIMES = "compile-times.json"  # seconds by kernel, as measured on this machine
_LONGEST = 600.0  # seconds that are believed of one kernel
# Seconds on one core of an AMD EPYC at 3 GHz: kernels that every fit needs, and what a technique needs besides.
_KERNELS = {
    "threads": 1.2, "column_range": 0.5, "column_sums": 1.4, "round_words": 0.4, "inertia_bins": 0.6, "hash_rows": 0.4,
    "fill_buckets": 0.3, "weigh": 0.2, "draw": 1.0, "trials": 1.5, "accept": 0.3, "pack": 0.4, "assign": 3.0,
    "means": 0.5,
}  # fmt: skip
_TECHNIQUE = 3.0

_logger = logging.getLogger("kmeans_fast")


# ---- what compiling costs --------------------------------------------------------------------------------------------


def learnt():
    """Seconds by kernel that compiling took on this machine; what is damaged or not to be trusted is left out."""
    try:
        found = json.loads(cache.read(DIRECTORY, _TIMES) or b"{}")
        return {name: float(of) for name, of in found.items() if isinstance(name, str) and 0 < float(of) <= _LONGEST}
    except (ValueError, TypeError, AttributeError, OverflowError, RecursionError):
        return {}


def _learn(name, seconds):
    """Keep what the compilation of a kernel has taken."""
    if seconds is not None:
        cache.write(DIRECTORY, _TIMES, json.dumps(learnt() | {name: round(seconds, 3)}).encode())


compiling.listeners.append(_learn)


def price(missing):
    """About how many seconds it takes to compile techniques, the last of them with all that every fit needs."""
    times = learnt()
    basic = sum(times.get(name, seconds) for name, seconds in _KERNELS.items())
    return sum(basic if name == "float32" else _TECHNIQUE for name in missing)


# ---- rent and price --------------------------------------------------------------------------------------------------


class Account:
    """What kernels of one kind cost, and the rent that has been paid so far.

    Parameters
    ----------
    price : float, seconds
    clock : callable
    """

    def __init__(self, price, clock=time.perf_counter):
        self.price, self.clock, self.rent, self.bought, self.last = price, clock, 0.0, False, {}

    def due(self, step, estimate):
        """Whether to buy before a step, which takes what the one before took, or `estimate` seconds."""
        return self.bought or self.rent + self.last.get(step, estimate) > self.price

    def paid(self, step, function, *arguments):
        """``function(*arguments)``, its time added to the rent."""
        started = self.clock()
        try:
            return function(*arguments)
        finally:
            self.last[step] = seconds = self.clock() - started
            self.rent += seconds


_accounts: dict[tuple, Account] = {}  # by what is missing, for which dtype and with weights or without


@functools.cache
def _installed():
    return importlib.util.find_spec("numba") is not None


def _nothing_kept():
    """Whether no kernel is on disk, which can be told without importing Numba."""
    if "kmeans_fast.backends.cpu.session" in sys.modules:
        return False
    directory = cache.directory(DIRECTORY)
    try:
        return directory is None or not any(name.endswith(".nbc") for name in os.listdir(directory))
    except OSError:
        return True


def account_for(problem):
    """The `Account` of the kernels that a problem needs on the CPU; None where nothing is to be paid."""
    if os.environ.get(ENVIRONMENT) or not _installed() or os.environ.get("NUMBA_DISABLE_JIT", "0") not in ("", "0"):
        return None
    techniques = sys.modules.get("kmeans_fast.backends.cpu.techniques")
    if techniques is not None and techniques.CHOICE.is_restricted:
        return None
    if _nothing_kept():
        missing = ("float32",)
    else:
        from .cpu.backend import CpuBackend, module

        if not CpuBackend().is_available()[0]:
            return None
        missing = module("readiness").missing(problem)
    if not missing:
        return None
    kind = missing, problem.dtype, problem.weighted
    if kind not in _accounts:
        _accounts[kind] = Account(price(missing))
        _logger.info("NumPy begins: to compile kernels would take about %.0f s", _accounts[kind].price)
    found = _accounts[kind]
    return None if found.bought or found.price == math.inf else found  # infinite: there is nothing to be had


def forget_what_is_missing():
    """Look anew for kernels: some have been compiled."""
    readiness = sys.modules.get("kmeans_fast.backends.cpu.readiness")
    if readiness is not None:
        readiness.look_anew()
