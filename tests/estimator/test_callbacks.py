"""What KMeans tells while it works: callbacks, interruption, the lines of `verbose`."""

import copy
import pickle
import re
import weakref

import numpy as np
import pytest
from fits import FITTED, same_fit
from numpy.testing import assert_array_equal
from sklearn.exceptions import NotFittedError

import kmeans_fast
from kmeans_fast import KMeans


def test_callback_receives_the_history(X):
    seen = []
    model = KMeans(n_clusters=5, n_init=2, random_state=0, callback=seen.append).fit(X)
    assert tuple(seen) == model.history_


@pytest.mark.parametrize("refine", [None, "breathing"])
def test_a_callback_can_have_the_centroids(backend, X, refine):
    seen, shapes = [], []

    def keep(step):
        centroids = step.centroids
        seen.append(centroids.copy())
        shapes.append(len(centroids))
        centroids[:] = 0  # a copy: the fit goes on from its own

    model = KMeans(n_clusters=9, random_state=0, tol=0, refine=refine, callback=keep).fit(X)
    same_fit(model, KMeans(n_clusters=9, random_state=0, tol=0, refine=refine).fit(X))
    first = [centroids for centroids, step in zip(seen, model.history_, strict=True) if step.stage == 0]
    assert len(first) > 2
    for i, centroids in enumerate(first):
        assert_array_equal(
            centroids, KMeans(n_clusters=9, random_state=0, tol=0, max_iter=i + 1).fit(X).cluster_centers_
        )
        assert centroids.dtype == X.dtype
    assert any(np.array_equal(centroids, model.cluster_centers_) for centroids in seen)
    assert max(shapes) > 9 if refine else set(shapes) == {9}


def test_a_history_keeps_no_centroids(X):
    alive = []

    def look(step):
        alive.append(weakref.ref(step._fetch()))  # the fit's own array
        assert pickle.loads(pickle.dumps(step)) == copy.copy(step) == step
        with pytest.raises(AttributeError):
            copy.copy(step).centroids.sum()

    model = KMeans(n_clusters=9, random_state=0, tol=0, callback=look).fit(X)
    gone = [reference() is None for reference in alive]
    assert gone == [True] * (len(alive) - 1) + [False]
    with pytest.raises(AttributeError, match="iteration 1 can be had only while the callback runs"):
        model.history_[0].centroids.sum()
    assert pickle.loads(pickle.dumps(model)).history_ == model.history_


def test_a_callback_with_on_phase_is_told_of_the_phases(X):
    class Log(list):
        def __call__(self, step):
            self.append(f"{step.run}.{step.iteration}")

        on_phase = list.append

    log = Log()
    model = KMeans(n_clusters=5, n_init=2, max_iter=2, tol=0, random_state=0, callback=log).fit(X)
    runs = [["seeding", "iterating", f"{run}.1", f"{run}.2", "last_pass"] for run in (0, 1)]
    assert log == ["preparing", *runs[0], *runs[1]]
    assert set(model.timings_) == {"preparing", "seeding", "iterating", "last_pass"}
    assert all(seconds >= 0 for seconds in model.timings_.values())
    assert model.timings_["iterating"] >= sum(step.seconds for step in model.history_)
    result = kmeans_fast.kmeans(X, 5, init=X[:5], refine="breathing")
    assert set(result.timings) == set(model.timings_)


@pytest.mark.parametrize("after", [1, 2, 3])
def test_a_true_value_from_the_callback_stops_the_fit(X, after):
    model = KMeans(n_clusters=9, n_init=4, tol=0, random_state=0, callback=lambda step: step.iteration == after).fit(X)
    assert model.n_iter_ == after
    assert len(model.history_) == after
    same_fit(model, KMeans(n_clusters=9, tol=0, random_state=0, max_iter=after).fit(X))


@pytest.mark.parametrize("error", [KeyboardInterrupt, ZeroDivisionError])
def test_an_exception_in_the_callback_leaves_the_estimator_unfitted_and_usable(X, error):
    def fail(step):
        raise error

    model = KMeans(n_clusters=5, random_state=0, callback=fail)
    with pytest.raises(error):
        model.fit(X)
    assert not any(hasattr(model, name) for name in FITTED)
    with pytest.raises(NotFittedError):
        model.predict(X)
    model.set_params(callback=None).fit(X)
    same_fit(model, KMeans(n_clusters=5, random_state=0).fit(X))


def test_an_interrupted_refit_leaves_the_earlier_fit_whole(X, model):
    def fail(step):
        raise KeyboardInterrupt

    wanted = pickle.loads(pickle.dumps(model))
    with pytest.raises(KeyboardInterrupt):
        model.set_params(callback=fail).fit(X[:, :3] + 1)
    same_fit(model, wanted)
    assert_array_equal(model.predict(X), wanted.labels_)


@pytest.mark.parametrize(
    ("tol", "reason"), [(0, r"strict convergence\."), (1e-1, r"center shift \S+ within tolerance \S+\.")]
)
def test_verbose_prints_scikit_learns_lines(capsys, X, tol, reason):
    model = KMeans(n_clusters=5, tol=tol, verbose=1, random_state=0).fit(X)
    lines = capsys.readouterr().out.splitlines()
    assert lines[0] == "Initialization complete"
    assert len(lines) == model.n_iter_ + 2
    for number, line in enumerate(lines[1:-1]):
        assert line.startswith(f"Iteration {number}, inertia ")
    assert re.fullmatch(rf"Converged at iteration {model.n_iter_ - 1}: {reason}", lines[-1])


def test_verbose_prints_every_run_and_every_breath(capsys, X):
    breaths = []

    class Callback:
        def __call__(self, step):
            return False

        def on_breath(self, *what):
            breaths.append(what)

    given = {"n_clusters": 9, "n_init": 2, "random_state": 0, "refine": "breathing"}
    model = KMeans(**given, verbose=1, callback=Callback()).fit(X)
    same_fit(model, KMeans(**given).fit(X))
    lines = capsys.readouterr().out.splitlines()
    assert lines.count("Initialization complete") == 2
    assert [line for line in lines if line.startswith("Breath")] == [
        f"Breath of {added} centroids: inertia {before} -> {after}." for added, before, after in breaths
    ]
    assert len(breaths) == len({(step.run, step.stage) for step in model.history_ if step.stage % 2})
    assert min(min(before, after) for _, before, after in breaths) == model.inertia_
    numbers = [int(line.split()[1].rstrip(",")) for line in lines if line.startswith("Iteration")]
    stages = [(step.run, step.stage) for step in model.history_]
    assert numbers == [i - stages.index(stage) for i, stage in enumerate(stages)]
    converged = [number for number, step in zip(numbers, model.history_, strict=True) if step.converged]
    assert [line.split(":")[0] for line in lines if line.startswith("Converged")] == [
        f"Converged at iteration {number}" for number in converged
    ]


def test_history_says_what_ends_a_run(X):
    for tol in (0.0, 1e-2):
        history = KMeans(n_clusters=7, tol=tol, random_state=0).fit(X).history_
        assert [step.converged for step in history] == [False] * (len(history) - 1) + [True]
        assert {step.threshold for step in history} == {history[0].threshold}
        np.testing.assert_allclose(history[0].threshold, tol * X.var(axis=0).mean())
        assert history[-1].squared_shift <= history[0].threshold or history[-1].changed == 0
    assert not KMeans(n_clusters=7, tol=0, max_iter=1, random_state=0).fit(X).history_[0].converged


def test_silent_by_default(capsys, model):
    assert capsys.readouterr() == ("", "")
