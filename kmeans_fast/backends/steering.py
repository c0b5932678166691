"""Techniques of the CPU backend by name: which may run, and blocks that force or leave out some.

For tests, benchmarks and the curious. All techniques give the same answer; what is chosen by default is what has been
measured to be the fastest. `use_backend` decides on the backend.
"""

from __future__ import annotations  # signatures in `help` read as they are written here

from contextlib import AbstractContextManager

import numpy as np
from numpy.typing import ArrayLike

from ..array_checks import described
from .cpu.backend import CpuBackend, module
from .protocol import Problem


def _module(name):
    """A module of the CPU backend; RuntimeError where that cannot run."""
    available, reason = CpuBackend().is_available()
    if not available:
        raise RuntimeError(f"The backend 'cpu' cannot run here: {reason}.")
    return module(name)


def techniques(
    X: ArrayLike | None = None,
    n_clusters: int | None = None,
    *,
    sample_weight: ArrayLike | None = None,
    n_threads: int | None = None,
) -> dict[str, str]:
    """The techniques of the CPU backend, in order of preference.

    Parameters
    ----------
    X : array-like (n_samples, n_features), or a tuple (n_samples, n_features), optional
        The data, or just its shape (then taken as float32).
    n_clusters : int, optional
        Needed with `X`.
    sample_weight : array-like (n_samples,), optional
    n_threads : int, optional
        As for `KMeans`.

    Returns
    -------
    dict of str to str
        The name of each technique, and why it is not used for these data; an empty string if it may be, where it pays.
        Without `X`: why it cannot be used on this machine.

    Examples
    --------
    >>> from kmeans_fast.backends import techniques
    >>> techniques((1_000_000, 16), 256)["sorted"]
    'it is for rows of one feature, and there are 16'
    """
    if X is None and n_clusters is None:
        return _module("techniques").objections()
    if X is None or n_clusters is None:
        raise ValueError("techniques needs X and n_clusters, or neither.")
    (n, d), dtype, _ = described(X)
    problem = Problem(n, d, n_clusters, np.dtype(dtype), sample_weight is not None, "cpu")
    return _module("techniques").reasons(_module("planning").expected_sizes(problem, n_threads))


def use_technique(name: str) -> AbstractContextManager[None]:
    """Force a technique of the CPU backend inside a ``with`` block, in this thread or task.

    It makes every pass that it is able to make, whether it pays or not; the last in the list makes the others.

    Parameters
    ----------
    name : str
        One of the keys of `techniques`.

    Returns
    -------
    context manager

    Raises
    ------
    ValueError
        If there is no such technique.
    RuntimeError
        Inside the block, by what would run it on data that it is not for; the message says why.

    Examples
    --------
    >>> import kmeans_fast
    >>> from kmeans_fast.backends import use_technique
    >>> with use_technique("float32"):
    ...     result = kmeans_fast.kmeans([[0.0], [1.0], [5.0]], 2, seed=0, device="cpu")
    >>> {step.path for step in result.history}
    {'float32'}
    """
    return _module("techniques").CHOICE.force(name)


def without_techniques(*names: str) -> AbstractContextManager[None]:
    """Do without some techniques of the CPU backend inside a ``with`` block, in this thread or task.

    Parameters
    ----------
    *names : str
        Keys of `techniques`, but not the last, which runs where no other can.

    Returns
    -------
    context manager

    Raises
    ------
    ValueError
        If there is no such technique, or it is the last.
    """
    return _module("techniques").CHOICE.leave_out(*names)
