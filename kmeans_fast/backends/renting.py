"""What is ready until compiled kernels pay: a first answer does not wait for a compiler, or for Numba's import.

Compiled kernels are bought, for seconds of compiling; time that steps take without them is the rent: in NumPy, or by
the kernels that are there where only a technique's are not. Nobody knows how many fits will follow, so this is the
problem of ski rental (Karlin et al. 1988): to rent until the rent comes to the price, and then to buy, costs at most
twice what would have been best in hindsight, whatever follows. A step that would bring the rent above the price is not
begun: then the rule of twice holds for steps of any length, as far as that is known. What a step lacks of several
techniques is bought together, because it is quick only with all of them: once the rent of all comes to the price of
all. Its time is shared out in proportion to what is left of each price. So all that is bought costs less than the time
of the steps that paid for it, each counted once, and the rent of none is above its price.

Kernels that are loaded cost nothing and are used. To load those that are on disk takes a moment, most of it the import
of Numba. That is a price too; but where a fit would take NumPy as long, loading comes first. Seeds and labels are the
same bits, so a fit changes from one to the other between two steps. ``KMEANS_FAST_WAIT=1`` has kernels loaded or
compiled at once, as before a benchmark.
"""

import functools
import importlib.util
import json
import logging
import os
import sys
import time

from ..kernels import cache, processors
from ..kernels.cpu.runtime import compiling
from ..kernels.cpu.runtime.digests import DIRECTORY
from .cpu.backend import LOADING, NEEDED, SEEDS, CpuBackend, module
from .rates import usual_fit

ENVIRONMENT = "KMEANS_FAST_WAIT"
_TIMES = "compile-times.json"  # seconds by kernel, as measured on this machine
_LONGEST = 600.0  # seconds that are believed of one kernel
# Seconds on one core of an AMD EPYC at 3 GHz, in the order in which a fit comes to them: kernels that every fit needs,
# those of seeds, and what a technique needs besides.
_FIT = {
    "threads": 1.0, "column_range": 0.3, "column_sums": 0.8, "round_words": 0.3, "inertia_bins": 0.5, "pack": 0.3,
    "assign": 1.9, "means": 0.4,
}  # fmt: skip
_SEEDS = {"hash_rows": 0.2, "fill_buckets": 0.2, "weigh": 0.1, "draw": 0.6, "trials": 1.0, "accept": 0.3}
_TECHNIQUE = 3.0
_LOADING = 0.4  # seconds on the same core to import Numba and the modules of kernels, and to load what is on disk

_logger = logging.getLogger("kmeans_fast")


# ---- what compiling costs --------------------------------------------------------------------------------------------


def learnt():
    """Seconds by kernel that compiling took on this machine; what is damaged or not to be trusted is left out."""
    try:
        found = json.loads(cache.read(DIRECTORY, _TIMES) or b"{}")
        return {name: float(of) for name, of in found.items() if isinstance(name, str) and 0 < float(of) <= _LONGEST}
    except (ValueError, TypeError, AttributeError, OverflowError, RecursionError):
        return {}


_compiling = [0.0]  # seconds that compiling has taken in this process


def clock():
    """Seconds, of which those of compiling are none."""
    return time.perf_counter() - _compiling[0]


def _learn(name, seconds):
    """Keep what the compilation of a kernel has taken."""
    if seconds is not None:
        _compiling[0] += seconds
        cache.write(DIRECTORY, _TIMES, json.dumps(learnt() | {name: round(seconds, 3)}).encode())


compiling.listeners.append(_learn)


def price(kernel):
    """About how many seconds it takes to compile what is missing, of which this kernel is the first that is called."""
    times = learnt()
    for kernels in (_FIT, _SEEDS):
        if kernel in kernels:
            names = list(kernels)
            return sum(times.get(name, kernels[name]) for name in names[names.index(kernel) :])
    return _TECHNIQUE


def price_of_loading():
    """About how many seconds it takes to load what runs kernels: as compiling, longer on a slower machine."""
    return _LOADING * price(next(iter(_FIT))) / sum(_FIT.values())


def in_words(seconds):
    """A price or a rent."""
    return f"{seconds:.1f} s" if seconds < 1 else f"{seconds:.0f} s"


# ---- rent and price --------------------------------------------------------------------------------------------------


class Account:
    """What kernels of one technique cost, and the rent that has been paid so far.

    Parameters
    ----------
    technique : str
        Also `SEEDS`, and `NEEDED`: what a problem cannot do without. `LOADING` are all that are on disk.
    price : float, seconds
    """

    def __init__(self, technique, price):
        self.technique, self.price, self.rent, self.last = technique, price, 0.0, {}
        self.closed = False  # whether it was settled, or given up: perhaps by another session, or on another thread

    @property
    def rents_numpy(self):
        """Whether NumPy is what is rented, and not other kernels."""
        return self.technique in (LOADING, NEEDED, SEEDS)

    @property
    def verb(self):
        """What is done to kernels once it is paid."""
        return "load" if self.technique == LOADING else "compile"

    @property
    def _of(self):
        """Whose kernels these are."""
        return "" if self.technique in (LOADING, NEEDED) else f" of {self.technique}"

    @property
    def _words(self):
        """What becomes of kernels, and whose time is the rent."""
        what = f"kernels{self._of} are {self.verb.removesuffix('e')}ed"
        return what, "NumPy has" if self.rents_numpy else "steps without them have"

    @property
    def note(self):
        """What becomes of it, in words."""
        what, who = self._words
        return (
            f"{what} once {who} taken {in_words(self.price)} in this process, as long as that would take; "
            f"so far {self.rent:.1f} s"
        )

    @property
    def begun(self):
        """That it has been opened, in words."""
        who = "NumPy begins" if self.rents_numpy else "others begin"
        return f"{who}: to {self.verb} kernels{self._of} would take about {in_words(self.price)}"

    @property
    def settled(self):
        """That it is paid, in words."""
        what, who = self._words
        return f"{what} from now on: {who} taken {self.rent:.1f} s"

    @property
    def left(self):
        """Seconds of rent until it is paid."""
        return max(0.0, self.price - self.rent)

    def pay(self, step, seconds, share, more):
        """Pay a share of a step that took so many seconds; or of more of the step that began last."""
        self.last[step] = seconds + (self.last[step] if more else 0.0)
        self.rent += share * seconds


class Accounts:
    """The accounts of a problem, open ones; none once all that it uses is ready or bought.

    Parameters
    ----------
    accounts : iterable of Account
    clock : callable
    """

    def __init__(self, accounts, clock=clock):
        self.open, self.clock = tuple(accounts), clock

    @property
    def rents_numpy(self):
        """Whether NumPy is what is rented."""
        return any(account.rents_numpy for account in self.open)

    @property
    def closed(self):
        """Whether some are no longer what is to be paid: to be looked for anew."""
        return any(account.closed for account in self.open)

    @property
    def of_seeds(self):
        """Those that seeds pay for."""
        return Accounts([account for account in self.open if account.technique == SEEDS] or self.open, self.clock)

    @property
    def of_steps(self):
        """Those that everything else pays for."""
        return Accounts([account for account in self.open if account.technique != SEEDS], self.clock)

    @property
    def techniques(self):
        """The names of what is missing."""
        return frozenset(account.technique for account in self.open)

    def due(self, step, estimate):
        """Whether all are to be bought before a step. It takes what it took before, or about `estimate` seconds."""
        expected = max((account.last[step] for account in self.open if step in account.last), default=estimate)
        return sum(account.rent for account in self.open) + expected > sum(account.price for account in self.open)

    def paid(self, step, function, *arguments, more=False):
        """``function(*arguments)``, its time added to the rent; `more`: it goes on with the step that began last."""
        started = self.clock()
        try:
            return function(*arguments)
        finally:
            seconds, left = max(0.0, self.clock() - started), [account.left for account in self.open]
            for account, its_own in zip(self.open, left, strict=True):
                account.pay(step, seconds, its_own / sum(left) if any(left) else 1 / len(left), more)


_accounts: dict[tuple, Account] = {}  # by technique, dtype, and with weights or without; or that of loading
_OF_LOADING = (LOADING,)
_settled: set = set()  # problems of which nothing is missing any more, the latest
_MOST_SETTLED = 256
_bought: set[tuple] = set()  # kinds (`readiness.Missing`) that are compiled when they are called
_not_to_be_had: list[str] = []  # why nothing can be compiled in this process


@functools.cache
def _installed():
    return importlib.util.find_spec("numba") is not None


def _loaded():
    """Whether all that runs kernels is imported."""
    return "kmeans_fast.backends.cpu.session" in sys.modules


def _look_for_none():
    """Whether no kernel is on disk, which can be told without importing Numba."""
    directory = cache.directory(DIRECTORY)
    try:
        return directory is None or not any(name.endswith(".nbc") for name in os.listdir(directory))
    except OSError:
        return True


_nothing_kept = processors.Reading(_look_for_none)


def accounts_for(problem):
    """The `Accounts` of what a problem needs on the CPU and what is not there."""
    return Accounts(() if problem in _settled else dict.fromkeys(_open_accounts(problem)))


def _open_accounts(problem):
    if os.environ.get(ENVIRONMENT) or not _installed() or os.environ.get("NUMBA_DISABLE_JIT", "0") not in ("", "0"):
        return
    techniques = sys.modules.get("kmeans_fast.backends.cpu.techniques")
    if _not_to_be_had or (techniques is not None and techniques.CHOICE.is_restricted):
        return
    if not _loaded() and _nothing_kept():
        yield _account(problem, NEEDED, next(iter(_FIT)))
    elif not _loaded() and usual_fit(problem) < _known_price_of_loading():
        yield _opened(_OF_LOADING, price_of_loading)
    elif CpuBackend().is_available()[0]:
        missing = [one for one in _missing(problem) if one.kind not in _bought]
        _closed([account for key, account in list(_accounts.items()) if key == _OF_LOADING])  # who still rents it
        if not missing:
            _settle(problem)
        needed = [one for one in missing if one.technique == NEEDED]  # before that is paid nothing else can be had
        for one in needed or missing:
            yield _account(problem, one.technique, one.kernel)


def _settle(problem):
    """Remember that a problem has all that it needs: to find that out takes a tenth of a small prediction."""
    if len(_settled) >= _MOST_SETTLED:
        _settled.clear()
    _settled.add(problem)


def _missing(problem):
    """What `readiness` finds missing for a problem and its second session."""
    for n_clusters in filter(None, (problem.n_clusters, problem.second)):
        yield from module("readiness").missing(problem._replace(n_clusters=n_clusters))


def _account(problem, technique, kernel):
    return _opened((technique, problem.dtype, problem.weighted), lambda: price(kernel))


def _known_price_of_loading():
    """As `price_of_loading`, which reads a file, but that of the account, if there is one."""
    account = _accounts.get(_OF_LOADING)
    return price_of_loading() if account is None else account.price


def _opened(key, its_price):
    """The account of a key, whose first part is the technique; it is opened where there is none."""
    account = _accounts.get(key)
    if account is None:
        account = _accounts.setdefault(key, Account(key[0], its_price()))
        _logger.info("%s", account.begun)
    return account


def buy(accounts, problem):
    """From now on kernels that a problem needs are compiled when they are called, those of some of its accounts.

    All that are on disk are loaded.
    """
    techniques = {account.technique for account in accounts}
    module("readiness").look_anew()
    _bought.update(one.kind for one in _missing(problem) if one.technique in techniques)
    for account in _closed(accounts):
        _logger.info("%s", account.settled)


def _closed(accounts):
    """Close accounts; those that nobody has closed before, of several threads too."""
    found = [key for key, account in list(_accounts.items()) if account in accounts]
    found = [account for key in found if (account := _accounts.pop(key, None)) is not None]
    for account in accounts:
        account.closed = True
    return found


def give_up(reason):
    """Nothing can be compiled in this process."""
    _not_to_be_had.append(reason)
    if _closed(list(_accounts.values())):
        _logger.info("NumPy goes on: %s", reason)


def given_up():
    """Whether that is so."""
    return bool(_not_to_be_had)
