"""Fixtures of the command line's tests."""

import numpy as np
import pytest
from command_line import check_error

import kmeans_fast
from kmeans_fast.cli import main


@pytest.fixture
def run(tmp_path, capsys, monkeypatch):
    """Run ``kmeans-fast *args`` in this process, in `tmp_path`: what it printed, as ``.out`` and ``.err``."""
    monkeypatch.chdir(tmp_path)

    def call(*args, code=0):
        capsys.readouterr()
        returned = main(list(map(str, args)))
        captured = capsys.readouterr()
        assert returned == code, captured
        return captured

    return call


@pytest.fixture
def refused(run):
    """The line of error that ``kmeans-fast *args`` ends with."""
    return lambda *args, code=2: check_error(*run(*args, code=code))


@pytest.fixture(scope="module")
def X():
    rng = np.random.default_rng(0)
    centers = np.array([[0.0, 0.0, 50.0], [8.0, 0.0, -900.0], [0.0, 9.0, 400.0]])
    return np.concatenate([rng.normal(center, [1.0, 1.0, 300.0], (60, 3)) for center in centers])


@pytest.fixture(scope="module")
def weights(X):
    return np.random.default_rng(1).integers(0, 4, len(X)).astype(float)


@pytest.fixture
def inputs(tmp_path, X, weights):
    """A directory with the data as data.npy, named.csv (text, weights, header) and bare.csv (numbers only)."""
    np.save(tmp_path / "data.npy", X)
    rows = zip(X.tolist(), weights.tolist(), strict=True)
    lines = [f'"n,{i}",{",".join(map(repr, row))},{weight!r}' for i, (row, weight) in enumerate(rows)]
    (tmp_path / "named.csv").write_text("\n".join(["id,a,b,c,weight", *lines]) + "\n")
    np.savetxt(tmp_path / "bare.csv", X, delimiter=",", fmt="%.17g")
    return tmp_path


@pytest.fixture
def data(here):
    """100 rows as data.npy; the model of a fit, as old.npz."""
    X = np.random.default_rng(0).normal(size=(100, 3))
    np.save(here / "data.npy", X)
    kmeans_fast.KMeans(3, random_state=0).fit(X).save(here / "old.npz")
    return X
