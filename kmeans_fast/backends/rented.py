"""The backend and the sessions of a problem whose kernels are not all there: what is ready runs it (`renting`)."""

import functools

from ..kernels import processors
from . import renting
from .defaults import OneByOne, OnHost
from .rates import RATES

_EXACT = 4  # times what a score takes, for an exact distance
_BOUNDS, _COPIES = 8, 24  # bytes of a row that techniques of the CPU keep: of bounds, and beside copies of the rows
_SEEDING = frozenset(("seeder", "oversampler", "masses"))
# Methods that read all rows once.
_PASSES = frozenset(
    (
        "ranges", "column_sums", "scatter", "mean_variance", "inertia", "exact_inertia", "own_distances", "farthest",
        "hashes",
    )
)  # fmt: skip


class Rental(OnHost, OneByOne):
    """A `kmeans_fast.backends.protocol.Backend` for one problem: what runs it is its name.

    Parameters
    ----------
    accounts : renting.Accounts
        Of the problem; some are open.
    numpy, cpu : Backend
    books : module or object
        Its ``accounts_for(problem)`` are the accounts of any problem at any time, with ``buy``, ``give_up`` and
        ``given_up``.
    """

    def __init__(self, accounts, numpy, cpu, books=renting):
        self.accounts, self.numpy, self.cpu, self.books = accounts, numpy, cpu, books
        self.first = self.tenant(accounts.of_steps)

    @property
    def name(self):
        """That of what runs the problem by now: of its rows, whatever becomes of sessions on few others."""
        still = [account for account in self.accounts.of_steps.open if not account.closed]
        return self.tenant(renting.Accounts(still)).name

    def tenant(self, accounts):
        """The backend that runs a problem with these accounts."""
        return self.numpy if accounts.rents_numpy or self.books.given_up() else self.cpu

    @property
    def instead(self):
        """Why it is not the CPU's kernels that begin."""
        price = renting.in_words(sum(account.price for account in self.accounts.open))
        return f"to {self.accounts.open[0].verb} its kernels would take about {price}; NumPy begins"

    def supports(self, problem):
        return self.first.supports(problem)

    def plan(self, problem, n_threads):
        """That of the tenant, with room for those that may follow."""
        plan = self.first.plan(problem._replace(without=self.accounts.techniques), n_threads)
        if self.first is self.cpu:
            later = self.cpu.plan(problem, n_threads)
            others = [self.numpy.plan(problem, n_threads)] if self.accounts.rents_numpy else []  # for the seeds
            workspace = max(one.workspace_bytes for one in (plan, later, *others))
            state = max(plan.state_bytes, later.state_bytes)
        else:  # Numba is not imported to ask the kernels: what their techniques may want beside what both need
            workspace, state = plan.workspace_bytes, 2 * plan.state_bytes
            if not problem.frugal:
                workspace += problem.data_bytes // 2
                state += _BOUNDS * problem.n_samples
                state += problem.data_bytes + _COPIES * problem.n_samples if problem.copies else 0
        notes = (*plan.notes, *(account.note for account in self.accounts.open))
        return plan._replace(workspace_bytes=workspace, state_bytes=state, notes=notes)

    def open(self, X, weights, problem, n_threads):
        return RentedSession(self, X, weights, problem, n_threads)

    def buy(self, accounts, problem):
        """From now on kernels are loaded, or compiled when they are called, if they can be had."""
        available, reason = self.cpu.is_available()
        if available:
            self.books.buy(accounts, problem)
        else:
            self.books.give_up(reason)


class RentedSession:
    """See `kmeans_fast.backends.protocol.Session`: that of a tenant, until all is there that the problem uses.

    Between two steps it may change over: the labels go along, and give the next step what it needs.

    Parameters
    ----------
    rental : Rental
    X, weights, problem, n_threads
        As `Backend.open` has them.
    before : RentedSession, optional
        On the same rows, for another number of clusters: what is known of the rows is taken over.
    """

    runs_ahead, labels_decide = False, True

    def __init__(self, rental, X, weights, problem, n_threads, before=None):
        self.rental, self.problem, self.n_threads = rental, problem, n_threads
        self.threads = processors.usable_cpus() if n_threads is None else n_threads
        self._look_for_accounts()
        if before is None or before.tenant is not self.tenant:
            self._open(X, weights)
        elif self.tenant is rental.cpu:
            self.session = before.session.for_clusters(problem.n_clusters, self.accounts.techniques)
        else:
            self.session = before.session.for_clusters(problem.n_clusters)

    def _look_for_accounts(self):
        self.accounts = self.rental.books.accounts_for(self.problem)
        self.tenant = self.rental.tenant(self.accounts.of_steps)

    def _open(self, X, weights):
        problem = self.problem._replace(without=self.accounts.techniques)
        self.session = self.tenant.open(X, weights, problem, self.n_threads)

    @property
    def parts(self):
        return (self,)

    @property
    def rents(self):
        """Whether something is missing still."""
        return bool(self.accounts.open)

    def __getattr__(self, name):
        found = getattr(self.session, name)
        if name in _PASSES and self.rents:
            return functools.partial(self._step, name, 1)
        return found

    def _rows(self):
        """The rows, and their weights or None."""
        return self.session.X, self.session.weights if self.problem.weighted else None

    def for_clusters(self, n_clusters):
        problem = self.problem._replace(n_clusters=n_clusters)
        return RentedSession(self.rental, *self._rows(), problem, self.n_threads, self)

    def _step(self, name, k, *arguments, times=1):
        """A step that scores rows against k centroids some times, by whoever is to make it."""
        while (accounts := self._payers(name)).open:
            if not accounts.closed:
                tenant, step = self.rental.tenant(accounts), self._key(name, k, times)
                if not accounts.due(step, self._expected(RATES[tenant.name], name, k, times)):
                    return accounts.paid(step, self._made_by, tenant, name, arguments)
                self.rental.buy(accounts.open, self.problem)
            self._change_over()
        return getattr(self.session, name)(*arguments)

    def _key(self, name, k, times):
        """What tells a step from others that take more or less time."""
        return name, *self.session.shape, k, times

    def _expected(self, rates, name, k, times):
        """About how many seconds a step takes that has not been made yet."""
        if name == "seeder":
            return rates.of_seeds(*self.session.shape, times, self.threads)
        return times * rates.of_pass(*self.session.shape, k, self.threads)

    def _payers(self, name):
        """The accounts that a step's time is rent of."""
        return self.accounts.of_seeds if name in _SEEDING else self.accounts.of_steps

    def _made_by(self, tenant, name, arguments):
        session = self.session
        if tenant is not self.tenant:  # the seeds alone are NumPy's
            session = tenant.open(*self._rows(), self.problem, self.n_threads)
        return getattr(session, name)(*arguments)

    def _change_over(self):
        before = self.tenant, self.accounts.of_steps.techniques
        self._look_for_accounts()
        if (self.tenant, self.accounts.of_steps.techniques) != before:
            (X, weights), labels = self._rows(), self.session.labels
            self._open(X, weights)
            self.session.resume(labels)

    def iterate(self, centroids):
        return self._step("iterate", len(centroids), centroids)

    def assign(self, centroids):
        return self._step("assign", len(centroids), centroids)

    def accumulate(self, centroids, form):
        return self._step("accumulate", len(centroids), centroids, form)

    def distances(self, centroids, squared=False):
        return self._step("distances", len(centroids), centroids, squared, times=_EXACT)

    def silhouette(self, labels, n_labels):
        return self._step("silhouette", self.session.shape[0], labels, n_labels, times=_EXACT)

    def seeder(self, words):
        return self._drawing("seeder", 1, words, times=len(words))

    def oversampler(self):
        return self._drawing("oversampler", 1)

    def masses(self, *arguments):
        return self._drawing("masses", 1, *arguments)

    def _drawing(self, name, k, *arguments, times=1):
        found, accounts = self._step(name, k, *arguments, times=times), self._payers(name)
        return Timed(found, accounts, self._key(name, k, times)) if accounts.open else found


class Timed:
    """The object that a step has begun with; its methods' time is that of the step."""

    def __init__(self, one, accounts, step):
        self._one, self._accounts, self._step = one, accounts, step

    def __getattr__(self, name):
        found = getattr(self._one, name)
        return functools.partial(self._accounts.paid, self._step, found, more=True) if callable(found) else found
