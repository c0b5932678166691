"""Whose arrays the tests of this folder are about, and how results are compared."""

import warnings
from typing import NamedTuple

import numpy as np
import pytest
from fake_cupy import ndarray
from fake_torch import Tensor
from numpy.testing import assert_array_equal
from support import rows, some_weights

import kmeans_fast
from kmeans_fast import KMeans

SHAPES = [(60, 3), (70, 20)]  # distances by differences, and scores in panels
K = 4


class Library(NamedTuple):
    """Whose arrays a test is about, and where they are."""

    type: type
    device: str

    def put(self, array, device=None, **options):
        """A NumPy array as one of the library's."""
        device = device or self.device
        if self.type is ndarray:
            return ndarray(array, int(device[5:]))
        return Tensor(array, device, **options)


CUPY, TORCH, TORCH_CPU = Library(ndarray, "cuda:0"), Library(Tensor, "cuda:0"), Library(Tensor, "cpu")


def host(array):
    """The values of an array of any library."""
    return array if isinstance(array, np.ndarray) else array.memory


def place(array):
    """What an array is of, and where."""
    return type(array), str(array.device.id) if isinstance(array, ndarray) else getattr(array, "device", "cpu")


def same(found, expected, like):
    """Asserts that `found` has the bits and dtype of NumPy's `expected`, and is of the kind and place of `like`."""
    assert place(found) == place(like)
    assert host(found).dtype == expected.dtype
    assert_array_equal(host(found), expected)


def problem(shape=(60, 3), dtype=np.float64):
    return rows(*shape, dtype), some_weights(shape[0])


def message(call, *arguments, **options):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        with pytest.raises((ValueError, TypeError)) as caught:
            call(*arguments, **options)
    return type(caught.value), str(caught.value)


BAD = {
    "NaN": np.where(np.arange(12).reshape(6, 2) == 7, np.nan, 1.0),
    "infinity": np.where(np.arange(12).reshape(6, 2) == 4, -np.inf, 1.0),
    "opposite infinities": np.array([[np.inf, 1.0], [-np.inf, 1.0]]),
    "float32 NaN": np.full((3, 2), np.nan, np.float32),
    "float16 infinity": np.full((3, 2), np.inf, np.float16),
    "no dimensions": np.array(3.0),
    "one dimension": np.ones(4),
    "three dimensions": np.ones((2, 2, 2)),
    "no rows": np.ones((0, 2)),
    "no columns": np.ones((3, 0)),
    "complex": np.ones((3, 2), np.complex64),
    "too large": np.full((3, 2), 1e200),
}


def fitted():
    return KMeans(K, random_state=0).fit(problem()[0])


CALLS = {
    "kmeans": lambda X, device: kmeans_fast.kmeans(X, K, device=device),
    "assign": lambda X, device: kmeans_fast.assign(X, np.zeros((K, 3)), device=device),
    "kmeans_plusplus": lambda X, device: kmeans_fast.kmeans_plusplus(X, K, device=device),
    "fit": lambda X, device: KMeans(K, device=device).fit(X),
    "explain": lambda X, device: kmeans_fast.explain(X, K, device=device),
    "predict": lambda X, device: fitted().set_params(device=device).predict(X),
    "transform": lambda X, device: fitted().set_params(device=device).transform(X),
    "score": lambda X, device: fitted().set_params(device=device).score(X),
}
each_call = pytest.mark.parametrize("call", CALLS.values(), ids=CALLS.keys())


def assert_is_numpys(model, plain):
    """The model holds NumPy's arrays only, and the bits of `plain`."""
    for name in ("cluster_centers_", "labels_"):
        assert type(getattr(model, name)) is np.ndarray
        same(getattr(model, name), getattr(plain, name), getattr(plain, name))
    assert (model.inertia_, model.n_iter_) == (plain.inertia_, plain.n_iter_)
    assert not [name for name, value in model.__dict__.items() if isinstance(value, (ndarray, Tensor))]
