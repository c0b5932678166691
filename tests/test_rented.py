"""What rents NumPy, or goes without techniques, until kernels are bought: it changes over between any two steps."""

import itertools

import numpy as np
import pytest
from numpy.testing import assert_array_equal
from support import problem, rereading, some_weights

from kmeans_fast import reference
from kmeans_fast.backends import BACKENDS, Rental, renting
from kmeans_fast.backends.cpu.backend import NEEDED, SEEDS
from kmeans_fast.backends.protocol import Problem
from kmeans_fast.engine.lloyd import lloyd
from kmeans_fast.engine.parts import Parts
from kmeans_fast.engine.rereading import RereadPart

CPU, NUMPY = (next(backend for backend in BACKENDS if backend.name == name) for name in ("cpu", "numpy"))


class Ticks:
    """Each step takes a second."""

    now = 0.0

    def __call__(self):
        self.now += 1.0
        return self.now


class Books:
    """Accounts of names and prices, in the order in which they are to be paid; `NEEDED` before others."""

    def __init__(self, prices):
        self.unpaid, self.clock, self.reason = [renting.Account(*one) for one in prices.items()], Ticks(), ""
        self.purchases = 0

    def accounts_for(self, problem):
        needed = [account for account in self.unpaid if account.technique == NEEDED]
        return renting.Accounts([] if self.reason else needed or self.unpaid, self.clock)

    def buy(self, accounts, problem):
        self.unpaid, self.purchases = [one for one in self.unpaid if one not in accounts], self.purchases + 1
        for account in accounts:
            account.closed = True

    def give_up(self, reason):
        self.reason = reason

    def given_up(self):
        return bool(self.reason)


class Broken(type(CPU)):
    """Numba cannot be imported."""

    def is_available(self):
        return False, "it is damaged"

    def open(self, *arguments):
        raise ImportError("it is damaged")


def rental(prices, cpu=CPU):
    books = Books(prices)
    return Rental(books.accounts_for(None), NUMPY, cpu, books)


def opened(rented, X, weights, k):
    sizes = Problem(*X.shape, k, X.dtype, weights is not None)
    return rented.open(X, weights, sizes, 2)


@pytest.mark.parametrize("weighted", [False, True])
@pytest.mark.parametrize("price", range(1, 12))
def test_a_fit_that_changes_over_after_any_step_has_the_references_bits(price, weighted):
    X, start = problem(300, 3, 9, np.float32)
    start[2] += 100.0  # a cluster that is empty at first
    weights, rented = some_weights(300) if weighted else None, rental({NEEDED: price})
    wanted = reference.lloyd(X, weights, start, tol=1e-4)
    session = opened(rented, X, weights, 9)
    threshold = 1e-4 * session.mean_variance()
    got = lloyd(session, start, max_iter=300, threshold=threshold)
    assert_array_equal(got.labels, wanted.labels)
    assert_array_equal(got.centroids, wanted.centroids)
    assert (got.inertia, got.n_iter) == (wanted.inertia, wanted.n_iter)
    paths = [step.path for step in got.history]
    rented_steps = paths.count("numpy, float32")
    assert paths[:rented_steps] == ["numpy, float32"] * rented_steps
    assert rented_steps == min(max(0, price - 1), got.n_iter)  # what comes first is the variance
    assert rented.name == ("cpu" if rented_steps < got.n_iter else rented.name)


@pytest.mark.parametrize("price", [1, 3, 5, 8])
def test_rows_that_are_read_anew_change_over_too(price):
    X, start = problem(300, 3, 6, np.float64)
    rented = rental({NEEDED: price})

    def open_session(X, weights, n_clusters, keeps):
        return opened(rented, X, weights, n_clusters)

    pieces = np.split(X, [100])
    parts = [RereadPart(rereading(one, None), one.shape, X.dtype, False, open_session, 6, True) for one in pieces]
    got, wanted = lloyd(Parts(parts), start, max_iter=9, threshold=0.0), reference.lloyd(X, None, start, 9, 0.0)
    assert_array_equal(got.labels, wanted.labels)
    assert_array_equal(got.centroids, wanted.centroids)


@pytest.mark.parametrize("price", [0.5, 1.0, 2.0])
def test_a_technique_is_left_out_until_it_is_bought(price):
    X, start = problem(20_000, 3, 100, np.float32)
    wanted = reference.lloyd(X, None, start, 8, 0.0)
    rented = rental({"kd-tree": price, "another": 2 * price})  # they are bought together
    assert rented.name == "cpu"
    assert rented.plan(Problem(*X.shape, 100, X.dtype, without=rented.accounts.techniques), 2).path == "float32"
    got = lloyd(opened(rented, X, None, 100), start, max_iter=8, threshold=0.0)
    assert_array_equal(got.labels, wanted.labels)
    assert_array_equal(got.centroids, wanted.centroids)
    paths, before = [step.path for step in got.history], int(3 * price)
    assert paths[:before] == ["float32"] * before
    assert "kd-tree" in paths[before:]


@pytest.mark.parametrize("technique", [NEEDED, SEEDS, "kd-tree"])
@pytest.mark.parametrize("how", [{}, {"copies": False}, {"frugal": True}], ids=str)
def test_there_is_room_for_what_follows(technique, how):
    rented = rental({technique: 1.0})
    for d, k, dtype in itertools.product((1, 4, 64, 1024), (2, 100, 1000), (np.float32, np.float64)):
        sizes = Problem(100_000, d, k, np.dtype(dtype), **how)
        plan, others = rented.plan(sizes, 2), [CPU.plan(sizes, 2)]
        assert plan.state_bytes >= others[0].state_bytes
        others += [NUMPY.plan(sizes, 2)] if technique == SEEDS else []
        assert plan.workspace_bytes >= max(one.workspace_bytes for one in others)


def test_sessions_for_other_numbers_of_clusters_pay_for_themselves():
    """After kernels have been bought, those of a technique are missing for one number and another one."""
    X, start = problem(20_000, 3, 100, np.float32)
    rented = rental({NEEDED: 2.5, "kd-tree": 1e9})
    session, paths = opened(rented, X, None, 100), []
    for k in (100, 70, 90):
        session = session.for_clusters(k)
        got, wanted = lloyd(session, start[:k], max_iter=3, threshold=0.0), reference.lloyd(X, None, start[:k], 3, 0.0)
        assert_array_equal(got.labels, wanted.labels)
        assert_array_equal(got.centroids, wanted.centroids)
        paths += [step.path for step in got.history]
    assert paths == ["numpy, float32"] * 2 + ["float32"] * 7


def test_seeds_are_rent_and_come_from_kernels_where_they_would_be_too_much():
    X, _ = problem(300, 3, 6, np.float32)
    words = reference.draws(1, 0, (6, reference.n_trials(6)))
    for price, rents in ((100.0, True), (0.0, False)):
        session = opened(rental({NEEDED: price}), X, None, 6)
        assert_array_equal(session.seeder(words).seeds(), reference.kmeans_plusplus(X, None, 6, 1))
        assert session.rents == rents


@pytest.mark.parametrize("price", [0.5, 1.5, 3.5])
def test_kernels_of_seeds_are_an_account_of_their_own(price):
    X, _ = problem(300, 3, 6, np.float32)
    words = reference.draws(1, 0, (6, reference.n_trials(6)))
    rented = rental({SEEDS: price})
    assert rented.name == "cpu"
    session = opened(rented, X, None, 6)
    for _ in range(3):
        assert_array_equal(session.seeder(words).seeds(), reference.kmeans_plusplus(X, None, 6, 1))
    wanted = reference.lloyd(X, None, X[:6], 3, 0.0)
    got = lloyd(session, X[:6], max_iter=3, threshold=0.0)
    assert_array_equal(got.labels, wanted.labels)
    assert {step.path for step in got.history} == {"float32"}
    assert not rented.books.unpaid


def test_where_kernels_turn_out_not_to_be_had_numpy_goes_on():
    X, start = problem(300, 3, 6, np.float32)
    rented = rental({NEEDED: 0.0}, Broken())
    got, wanted = (
        lloyd(opened(rented, X, None, 6), start, max_iter=5, threshold=0.0),
        reference.lloyd(X, None, start, 5),
    )
    assert_array_equal(got.labels, wanted.labels)
    assert rented.name == "numpy"
    assert rented.books.reason == "it is damaged"


def test_several_parts_buy_once():
    X, start = problem(300, 3, 6, np.float32)
    rented = rental({NEEDED: 6.0})
    parts = Parts([opened(rented, X[rows : rows + 60], None, 6) for rows in range(0, 300, 60)])
    got, wanted = lloyd(parts, start, max_iter=5, threshold=0.0), reference.lloyd(X, None, start, 5, 0.0)
    assert_array_equal(got.labels, wanted.labels)
    assert_array_equal(got.centroids, wanted.centroids)
    assert {part.tenant for part in parts.parts} == {CPU}
    assert rented.books.purchases == 1


def test_its_name_is_that_of_what_runs_its_own_rows():
    X, start = problem(300, 3, 6, np.float32)
    rented = rental({NEEDED: 1e9})
    rented.books = Books({NEEDED: 0.0})  # few rows with weights have accounts of their own
    session = opened(rented, X, some_weights(300), 6)
    lloyd(session, start, max_iter=2, threshold=0.0)
    assert session.tenant is CPU
    assert rented.name == "numpy"
    rented.accounts.open[0].closed = True
    assert rented.name == "cpu"


def test_rows_that_are_read_anew_stay_numpys_where_kernels_turn_out_not_to_be_had():
    X, start = problem(300, 3, 6, np.float32)
    rented = rental({NEEDED: 6.0}, Broken())

    def open_session(X, weights, n_clusters, keeps):
        return opened(rented, X, weights, n_clusters)

    pieces = np.split(X, [100])
    parts = [RereadPart(rereading(one, None), one.shape, X.dtype, False, open_session, 6) for one in pieces]
    got, wanted = lloyd(Parts(parts), start, max_iter=5, threshold=0.0), reference.lloyd(X, None, start, 5, 0.0)
    assert_array_equal(got.labels, wanted.labels)
    assert rented.books.reason
