"""NumPy's backend and sessions until kernels are bought (`renting`), and the CPU's from then on."""

import functools
import logging
import math

from ..kernels import processors
from . import renting
from .defaults import OneByOne, OnHost
from .numpy.session import NumpySession

_logger = logging.getLogger("kmeans_fast")
# Nanoseconds on one core: of a value in a pass, of a score, and of each feature of a score; candidates of a seed.
_VALUE, _SCORE, _FEATURE, _TRIALS = 8.0, 0.4, 0.03, 4
_LEAST = 1e-4  # seconds of a pass, however small
# Methods that read all rows once.
_PASSES = frozenset(
    (
        "ranges", "column_sums", "scatter", "mean_variance", "inertia", "exact_inertia", "own_distances", "farthest",
        "hashes",
    )
)  # fmt: skip


def pass_seconds(n, d, k, threads):
    """About how long NumPy takes to score rows against k centroids and to add them up."""
    return _LEAST + 1e-9 * n * (k * (_SCORE + _FEATURE * d) + _VALUE * d) / threads


class Rental(OnHost, OneByOne):
    """A `kmeans_fast.backends.protocol.Backend` for one problem: what runs it is its name.

    Parameters
    ----------
    account : renting.Account
    numpy, cpu : Backend
    """

    def __init__(self, account, numpy, cpu):
        self.account, self.numpy, self.cpu, self.changed = account, numpy, cpu, False

    @property
    def name(self):
        return self.cpu.name if self.changed else self.numpy.name

    @property
    def instead(self):
        """Why it is not the CPU's kernels that begin."""
        return f"to compile its kernels would take about {self.account.price:.0f} s; NumPy begins"

    def supports(self, problem):
        return self.numpy.supports(problem)

    def plan(self, problem, n_threads):
        plan, account = self.numpy.plan(problem, n_threads), self.account
        note = (
            f"kernels are compiled once NumPy has taken {account.price:.0f} s in this process, "
            f"as long as that would take; so far {account.rent:.1f} s"
        )
        # Memory that the kernels' techniques may want beside what both need.
        workspace = plan.workspace_bytes + (0 if problem.frugal else problem.data_bytes // 2)
        return plan._replace(workspace_bytes=workspace, notes=(*plan.notes, note))

    def open(self, X, weights, problem, n_threads):
        return RentedSession(self, self.numpy.open(X, weights, problem, n_threads), problem, n_threads)

    def buys(self):
        """Whether kernels can be had; then they are compiled when they are called."""
        account = self.account
        if not account.bought:
            available, reason = self.cpu.is_available()
            if not available:
                account.price = math.inf
                _logger.info("NumPy goes on: %s", reason)
                return False
            _logger.info("kernels are compiled from now on: NumPy has taken %.1f s", account.rent)
            account.bought = True
            renting.forget_what_is_missing()
        self.changed = True
        return True


class RentedSession:
    """See `kmeans_fast.backends.protocol.Session`: NumPy's, until it is the CPU's.

    Between two steps it may change over: the labels go along, and give the next step what it needs.

    Parameters
    ----------
    rental : Rental
    session : NumpySession
    problem, n_threads
        As `Backend.open` has them.
    """

    runs_ahead, labels_decide = False, True

    def __init__(self, rental, session, problem, n_threads):
        self.rental, self.session, self.problem, self.n_threads = rental, session, problem, n_threads
        self.threads = processors.usable_cpus() if n_threads is None else n_threads

    @property
    def parts(self):
        return (self,)

    def __getattr__(self, name):
        found = getattr(self.session, name)
        if name in _PASSES and self.rents:
            return functools.partial(self._pass, name, 1)
        return found

    @property
    def rents(self):
        """Whether the session is NumPy's still."""
        return isinstance(self.session, NumpySession)

    def for_clusters(self, n_clusters):
        problem = self.problem._replace(n_clusters=n_clusters)
        return RentedSession(self.rental, self.session.for_clusters(n_clusters), problem, self.n_threads)

    def _step(self, name, seconds, *arguments):
        """A step of about so many seconds in NumPy, by whoever is to make it."""
        account, step = self.rental.account, (name, *self.session.shape, self.problem.n_clusters)
        if self.rents:
            if not (account.due(step, seconds) and self.rental.buys()):
                return account.paid(step, getattr(self.session, name), *arguments)
            self._change_over()
        return getattr(self.session, name)(*arguments)

    def _pass(self, name, k, *arguments):
        return self._step(name, pass_seconds(*self.session.shape, k, self.threads), *arguments)

    def _change_over(self):
        old = self.session
        self.session = self.rental.cpu.open(old.X, old.weights, self.problem, self.n_threads)
        self.session.resume(old.labels)

    def iterate(self, centroids):
        return self._pass("iterate", len(centroids), centroids)

    def assign(self, centroids):
        return self._pass("assign", len(centroids), centroids)

    def accumulate(self, centroids, form):
        return self._pass("accumulate", len(centroids), centroids, form)

    def distances(self, centroids, squared=False):
        return self._pass("distances", _TRIALS * len(centroids), centroids, squared)

    def silhouette(self, labels, n_labels):
        return self._pass("silhouette", _TRIALS * self.session.shape[0], labels, n_labels)

    def seeder(self, words):
        return self._drawing("seeder", len(words) * pass_seconds(*self.session.shape, _TRIALS, self.threads), words)

    def oversampler(self):
        return self._drawing("oversampler", pass_seconds(*self.session.shape, 1, self.threads))

    def masses(self, *arguments):
        return self._drawing("masses", pass_seconds(*self.session.shape, 1, self.threads), *arguments)

    def _drawing(self, name, seconds, *arguments):
        found = self._step(name, seconds, *arguments)
        return Timed(found, self.rental.account) if self.rents else found


class Timed:
    """An object whose methods' time is rent."""

    def __init__(self, one, account):
        self._one, self._account = one, account

    def __getattr__(self, name):
        found = getattr(self._one, name)
        return functools.partial(self._account.paid, name, found) if callable(found) else found
