"""Backends: what can run k-means here, and which one does.

`BACKENDS` is in order of preference. The first that is available, serves the device asked for and supports the problem
runs it. ``KMEANS_FAST_BACKEND`` or `use_backend` forces one by name; a name that is unknown or cannot run is an error,
never a silent substitute. The design is simdjson's.
"""

from __future__ import annotations  # signatures in `help` read as they are written here

import contextlib
import os
from collections.abc import Iterator
from contextvars import ContextVar

from ..parameters import checked
from .cpu import CpuBackend
from .cuda import CudaBackend
from .numpy import NumpyBackend
from .protocol import Backend
from .reference import ReferenceBackend
from .rented import Rental
from .renting import accounts_for
from .steering import techniques as techniques
from .steering import use_technique as use_technique
from .steering import without_techniques as without_techniques

BACKENDS: tuple[Backend, ...] = (CudaBackend(), CpuBackend(), NumpyBackend(), ReferenceBackend())
ENVIRONMENT = "KMEANS_FAST_BACKEND"

_forced: ContextVar[str | None] = ContextVar("kmeans_fast_backend", default=None)


def available_backends() -> dict[str, str]:
    """What can run here, in order of preference.

    Returns
    -------
    dict of str to str
        The name of each backend, and why it cannot run here; an empty string if it can.
    """
    return {backend.name: backend.is_available()[1] for backend in BACKENDS}


def _named(name):
    for backend in BACKENDS:
        if backend.name == name:
            return backend
    known = ", ".join(repr(backend.name) for backend in BACKENDS)
    raise ValueError(f"There is no backend {name!r}; the backends are {known}.")


@contextlib.contextmanager
def use_backend(name: str) -> Iterator[None]:
    """Force a backend inside a ``with`` block, in this thread or task.

    Parameters
    ----------
    name : str
        One of the keys of `available_backends`.

    Raises
    ------
    ValueError
        If there is no such backend.
    RuntimeError
        If it cannot run here; the message says why.
    """
    backend = _named(name)
    available, reason = backend.is_available()
    if not available:
        raise RuntimeError(f"The backend {name!r} cannot run here: {reason}.")
    before = _forced.get()
    try:  # the name is set inside, so that an interrupt leaves nothing set
        _forced.set(name)
        yield
    finally:
        _forced.set(before)


def objection(backend, problem, device, forced=False):
    """Why `backend` does not run `problem` on `device`; empty if it does.

    Nothing is imported, and no driver is woken, to ask a backend that is not wanted anyway: that takes a moment, and
    processes that are forked afterwards cannot use a GPU.
    """
    reason = _elsewhere(backend, device)
    if not reason and device == "auto" and not forced:
        reason = backend.declines(problem)
    if not reason:
        _, reason = backend.is_available()
    return reason or "; ".join(backend.supports(problem))


def _elsewhere(backend, device):
    """Why the backend is not one for this device; empty if it is."""
    if device != "auto" and device.split(":")[0] not in backend.devices:
        return f"device={device!r} was asked for and it runs on {' or '.join(backend.devices)}"
    return ""


def _cannot(backend, problem, device):
    """Why the backend could not run the problem if it were available."""
    return _elsewhere(backend, device) or "; ".join(backend.supports(problem))


def _rental(backend, problem, device):
    """What runs a problem of the CPU's until all of its kernels are there; None where they are, or nothing else can."""
    if backend.name != "cpu" or _cannot(backend, problem, device):
        return None
    accounts = accounts_for(problem)
    if not accounts.open or (accounts.rents_numpy and _cannot(_named("numpy"), problem, device)):
        return None
    return Rental(accounts, _named("numpy"), backend)


def select(problem, device="auto"):
    """The backend that runs `problem`.

    Raises
    ------
    ValueError
        If `device` or the forced name is not one there is.
    RuntimeError
        If what was asked for cannot run here; the message says why.
    """
    checked({"device": device})
    name = _forced.get() or os.environ.get(ENVIRONMENT)
    if name:
        backend = _named(name)
        reason = objection(backend, problem, device, forced=True)
        if reason:
            raise RuntimeError(f"The backend {name!r} was asked for and cannot run: {reason}.")
        return backend
    objections = []
    for backend in BACKENDS:
        rental = _rental(backend, problem, device)
        if rental is not None:
            return rental
        reason = objection(backend, problem, device)
        if not reason:
            return backend
        objections.append((backend, reason))
    reasons = [reason for backend, reason in objections if device == "auto" or device.split(":")[0] in backend.devices]
    reasons = list(dict.fromkeys(reasons))
    raise RuntimeError(f"device={device!r} cannot be used: {'; '.join(reasons)}.")
