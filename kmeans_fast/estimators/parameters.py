"""Checks of estimator parameters, worded as scikit-learn words them."""

import math
from numbers import Integral, Real

import numpy as np
from sklearn.utils import check_random_state

from ..engine.seeding import METHODS

_RUNS = "a str among {'auto'} or an int in the range [1, inf)"


def _is_integer(value):
    return isinstance(value, Integral) and not isinstance(value, bool)


def _refuse(estimator, name, rule, value):
    raise ValueError(f"The {name!r} parameter of {type(estimator).__name__} must be {rule}. Got {value!r} instead.")


def integer(estimator, name, least=1):
    """The parameter as an int of at least `least`."""
    value = getattr(estimator, name)
    if not _is_integer(value) or value < least:
        _refuse(estimator, name, f"an int in the range [{least}, inf)", value)
    return int(value)


def optional_integer(estimator, name):
    """As `integer`; None stays None."""
    return None if getattr(estimator, name) is None else integer(estimator, name)


def init_size(estimator):
    """The parameter `init_size`: an int of at least 1, "auto" or None."""
    value = estimator.init_size
    if value is None or (isinstance(value, str) and value == "auto"):
        return value
    if not _is_integer(value) or value < 1:
        _refuse(estimator, "init_size", "'auto', None or an int in the range [1, inf)", value)
    return int(value)


def real(estimator, name):
    """The parameter as a finite float, not negative."""
    value = getattr(estimator, name)
    if not isinstance(value, Real) or isinstance(value, bool) or not math.isfinite(value) or value < 0:
        _refuse(estimator, name, "a float in the range [0.0, inf)", value)
    return float(value)


def choice(estimator, name, options):
    """The parameter, one of `options`."""
    value = getattr(estimator, name)
    if not isinstance(value, str) or value not in options:
        _refuse(estimator, name, "a str among {" + ", ".join(map(repr, options)) + "}", value)
    return str(value)


def optional_choice(estimator, name, options):
    """As `choice`; None stays None."""
    return None if getattr(estimator, name) is None else choice(estimator, name, options)


def init(estimator):
    """The parameter `init`: one of the names, a callable, or anything else as an array."""
    value = estimator.init
    if isinstance(value, str):
        return choice(estimator, "init", METHODS)
    if callable(value):
        return value
    if value is None or np.ndim(value) == 0:
        names = ", ".join(map(repr, METHODS))
        _refuse(estimator, "init", f"a str among {{{names}}}, a callable or an array-like", value)
    return value


def n_init(estimator):
    """The number of runs: `n_init`, or for "auto" 1 from k-means++ or an array and 10 otherwise (scikit-learn's rule)."""
    value = estimator.n_init
    if isinstance(value, str):
        if value != "auto":
            _refuse(estimator, "n_init", _RUNS, value)
        random = callable(estimator.init) or (isinstance(estimator.init, str) and estimator.init == "random")
        return 10 if random else 1
    if not _is_integer(value) or value < 1:
        _refuse(estimator, "n_init", _RUNS, value)
    return int(value)


def callback(estimator):
    """The parameter `callback`: None or a callable."""
    value = estimator.callback
    if value is not None and not callable(value):
        _refuse(estimator, "callback", "a callable or None", value)
    return value


def flag(estimator, name):
    """The parameter as a bool."""
    value = getattr(estimator, name)
    if not isinstance(value, (bool, np.bool_)):
        _refuse(estimator, name, "an instance of 'bool'", value)
    return bool(value)


def verbose(estimator):
    """The parameter `verbose`, a bool or an int of at least 0, as a bool."""
    value = estimator.verbose
    if not isinstance(value, (bool, np.bool_)) and not (_is_integer(value) and value >= 0):
        _refuse(estimator, "verbose", "an int in the range [0, inf) or an instance of 'bool'", value)
    return bool(value)


def random_state(estimator):
    """The parameter `random_state` as a `numpy.random.RandomState`."""
    try:
        return check_random_state(estimator.random_state)
    except ValueError:
        rule = "an int in the range [0, 4294967295], an instance of 'numpy.random.mtrand.RandomState' or None"
        return _refuse(estimator, "random_state", rule, estimator.random_state)


def seed(estimator, rng):
    """The seed of all draws: `random_state` itself where it is an int, as for `kmeans_fast.kmeans`; else drawn from
    `rng`, what `random_state` made of it.
    """
    value = estimator.random_state
    return int(value) if isinstance(value, Integral) else int(rng.randint(np.iinfo(np.int64).max, dtype=np.int64))
