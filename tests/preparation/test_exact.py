"""The scaler and the PCA whose bits do not depend on the order of the rows; rows prepared in place."""

import math

import numpy as np
import pytest
from numpy.testing import assert_array_equal
from sklearn.decomposition import PCA
from sklearn.preprocessing import StandardScaler
from support import DTYPES, rows

from kmeans_fast.preparation import make_preparation
from kmeans_fast.preparation.applying import fitted, original, transformed
from kmeans_fast.preparation.exact import ExactPCA, ExactStandardScaler
from kmeans_fast.preparation.recipes import SCALERS, checked
from kmeans_fast.preparation.rows import as_rows


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("scale", SCALERS)
def test_own_arrays_are_scaled_in_place_and_read_only_ones_are_copied(scale, dtype):
    X = (rows(50, 2, np.float64) * [1, 1000]).astype(dtype)
    kept = X.copy()
    kept.flags.writeable = False
    (pipeline, copied), (_, in_place) = (fitted(checked(scale=scale), as_rows(each)) for each in (kept, X))
    assert np.shares_memory(in_place, X)
    assert not np.shares_memory(copied, kept)
    assert_array_equal(copied, in_place)
    assert_array_equal(copied, pipeline.transform(kept))
    assert_array_equal(copied, transformed(pipeline, kept))
    assert copied.dtype == dtype
    assert copied.flags.c_contiguous
    np.testing.assert_allclose(np.column_stack(original(pipeline, copied)), kept, rtol=1e-4, atol=1e-4)


def test_moments_are_exact_and_the_order_of_rows_is_of_no_account():
    rng = np.random.default_rng(1)
    X = rng.normal(size=(301, 6)) * 10.0 ** np.arange(-20, 10, 5) + [0, 1e9, 0, 1, 0, 1e-3]
    X[7, 4] = 1e15
    X[:, 5] = 0.1
    scaler = ExactStandardScaler().fit(X)
    for order in (rng.permutation(len(X)) for _ in range(30)):
        other = ExactStandardScaler().fit(X[order])
        for name in ("mean_", "var_", "scale_"):
            assert_array_equal(getattr(other, name), getattr(scaler, name))
    mean = [math.fsum(column) / len(X) for column in X.T.tolist()]
    assert_array_equal(scaler.mean_, [*mean[:5], 0.1])
    squares = np.square(X - scaler.mean_)
    assert_array_equal(scaler.var_, [math.fsum(column) / len(X) for column in squares.T.tolist()])
    same_as = StandardScaler().fit(X)
    np.testing.assert_allclose(scaler.scale_, same_as.scale_, rtol=1e-12)
    assert scaler.scale_[5] == 1.0  # of a constant column


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("column", [[0.1] * 9, [1e9] * 8 + [1e9 + 1e-6], [0.0] * 9, [-3.0] * 8 + [5.0], [1e-300] * 9])
def test_constant_columns_are_those_of_scikit_learn(column, dtype):
    X = np.array(column, dtype)[:, None]
    np.testing.assert_allclose(ExactStandardScaler().fit(X).scale_, StandardScaler().fit(X).scale_, rtol=1e-12)


@pytest.mark.parametrize("options", [*({"scale": scale} for scale in SCALERS), {"pca": 1}], ids=str)
def test_values_too_large_to_scale_are_refused(options):
    X = np.array([[1e308], [-1e308], [1e308], [-1e308]])
    with pytest.raises(ValueError, match="too large to scale"):
        fitted(checked(**options), as_rows(X))


@pytest.mark.parametrize("size", [1e160, 8.9e307])  # squares of the first, and sums of the second, are infinite
@pytest.mark.parametrize("step", [ExactPCA(1), ExactStandardScaler()], ids=str)
def test_values_whose_squares_are_infinite_are_refused(step, size):
    with pytest.raises(ValueError, match="too large to scale"):
        step.fit(np.array([[size, 1.0], [-size, 2], [size, 3]]))


def test_what_exact_components_are_not_made_for_is_refused():
    for options, text in (({"whiten": True}, "whiten must be False"), ({"n_components": "mle"}, "must be a number")):
        with pytest.raises(ValueError, match=text):
            ExactPCA(**options).fit(rows(20, 3, np.float64))


@pytest.mark.parametrize("wanted", [None, 1, 4, 0.5, 0.999])
@pytest.mark.parametrize("n", [3, 40, 5000])
def test_components_are_those_of_scikit_learn(n, wanted):
    rng = np.random.default_rng(n)
    X = rng.normal(size=(n, 5)) @ rng.normal(size=(5, 5)) + [1e4, 0, -3, 7, 0]
    if wanted == 4 and n < 4:
        with pytest.raises(ValueError, match="n_components must be from 1 to 3"):
            ExactPCA(wanted).fit(X)
        return
    ours, theirs = ExactPCA(wanted).fit(X), PCA(wanted, svd_solver="full").fit(X)
    assert ours.n_components_ == theirs.n_components_
    rank = min(ours.n_components_, n - 1)  # the others have no variance, and any direction
    np.testing.assert_allclose(ours.components_[:rank], theirs.components_[:rank], rtol=1e-6, atol=1e-9)
    largest = theirs.explained_variance_[0]
    np.testing.assert_allclose(ours.explained_variance_, theirs.explained_variance_, atol=1e-12 * largest)
    np.testing.assert_allclose(ours.noise_variance_, theirs.noise_variance_, rtol=1e-9, atol=1e-12 * largest)
    np.testing.assert_allclose(ours.transform(X)[:, :rank], theirs.transform(X)[:, :rank], rtol=1e-6, atol=1e-6)


@pytest.mark.parametrize("dtype", DTYPES)
def test_components_and_scores_do_not_depend_on_the_other_rows(dtype):
    rng = np.random.default_rng(0)
    X = (rng.normal(size=(9000, 4)) @ rng.normal(size=(4, 4)) * [1, 1e6, 1, 1e-6]).astype(dtype)
    model = ExactPCA(3).fit(X)
    scores = model.transform(X)
    assert scores.dtype == dtype
    order = rng.permutation(len(X))
    other = ExactPCA(3).fit(X[order])
    for name in ("components_", "mean_", "explained_variance_"):
        assert_array_equal(getattr(other, name), getattr(model, name))
    assert_array_equal(np.vstack([model.transform(X[at : at + 7]) for at in range(0, 70, 7)]), scores[:70])
    assert_array_equal(model.fit_transform(X), scores)


def test_covariances_are_exact_where_numbers_are_whole():
    X = rows(4097, 3, np.float64, "grid")
    X -= X.mean(axis=0).round()
    X = np.vstack([X, -X])  # means are 0
    exact = (X.astype(int).T @ X.astype(int)) / (len(X) - 1)
    model = ExactPCA().fit(X)
    np.testing.assert_allclose(model.get_covariance(), exact, rtol=1e-13, atol=1e-13)


def test_exact_steps_are_scikit_learns_in_a_recipe():
    steps = dict(make_preparation(scale="standard", pca=0.9).steps)
    assert isinstance(steps["scale"], StandardScaler)
    assert isinstance(steps["pca"], PCA)
    with pytest.raises(ValueError, match="sample_weight must be None"):
        steps["scale"].fit([[0.0], [1.0]], sample_weight=[1, 2])
