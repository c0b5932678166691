"""The parameters of k-means: one table for functions, estimators, model files and the command line.

An entry says what a parameter is called, what it is by default, what it may be and where it is shown. A face adds its
signature and its docstring. Nothing heavy is imported: the table serves ``kmeans-fast --help`` too.
"""

import math
import os
import re
from collections.abc import Callable, Mapping
from numbers import Integral, Real
from typing import Any, NamedTuple

METHODS = ("k-means++", "k-means||", "random")  # of choosing the first centroids
_NOT = object()  # what `Kind.take` makes of a value of another kind


class Kind(NamedTuple):
    """A kind of value."""

    plain: tuple[str, ...]  # in words, as alternatives
    formal: str  # in scikit-learn's words
    take: Callable[[Any], Any]  # the value as the engine takes it, or _NOT
    typed: tuple[str, ...] = ()  # in words where it can be typed on a command line
    read: Callable[[str], Any] = str  # what was typed as a value; ValueError or KeyError if it is not of the kind


class Rule:
    """What a value must be: of one of several kinds."""

    def __init__(self, *kinds: Kind):
        self.kinds = kinds

    def take(self, value: Any) -> Any:
        """The value as the engine takes it, or _NOT."""
        for kind in self.kinds:
            taken = kind.take(value)
            if taken is not _NOT:
                return taken
        return _NOT

    def checked(self, name: str, value: Any, owner: str = "") -> Any:
        """The value as the engine takes it; it is refused (`refuse`) if it breaks the rule."""
        taken = self.take(value)
        if taken is _NOT:
            self.refuse(name, value, owner)
        return taken

    def read(self, text: str) -> Any:
        """What was typed on a command line as a value; ValueError that says the rule if it is none."""
        for kind in self.kinds:
            if kind.typed:
                try:
                    value = kind.read(text)
                except (ValueError, KeyError):
                    continue
                if kind.take(value) is not _NOT:
                    return value
        raise ValueError(f"must be {_either([words for kind in self.kinds for words in kind.typed])}, got {text!r}")

    def refuse(self, name: str, value: Any, owner: str = "") -> None:
        """Raise the ValueError for a value that breaks the rule, in scikit-learn's words if there is an `owner`."""
        if owner:
            rule = _either([kind.formal for kind in self.kinds])
            raise ValueError(f"The {name!r} parameter of {owner} must be {rule}. Got {value!r} instead.")
        raise ValueError(f"{name} must be {_either([w for kind in self.kinds for w in kind.plain])}, got {value!r}.")


def _either(words):
    return " or ".join([", ".join(words[:-1]), words[-1]] if len(words) > 1 else words)


# ---- kinds of values -----------------------------------------------------------------------------------------------


def _integer(least, most=None):
    def take(value):
        fits = isinstance(value, Integral) and not isinstance(value, bool) and value >= least
        return int(value) if fits and (most is None or value <= most) else _NOT

    plain = (f"an integer of at least {least}" if most is None else f"an integer from {least} to {most}",)
    formal = f"an int in the range [{least}, inf)" if most is None else f"an int in the range [{least}, {most}]"
    return Kind(plain, formal, take, plain, int)


def _number(least):
    def take(value):
        try:
            number = float(value) if isinstance(value, Real) and not isinstance(value, bool) else math.nan
        except OverflowError:  # an int of hundreds of digits
            number = math.inf
        return number if least <= number < math.inf else _NOT

    plain = (f"a finite number of at least {least}",)
    return Kind(plain, f"a float in the range [{float(least)}, inf)", take, plain, float)


def _name(*names):
    def take(value):
        return str(value) if isinstance(value, str) and value in names else _NOT

    plain = tuple(map(repr, names))
    return Kind(plain, f"a str among {{{', '.join(plain)}}}", take, plain)


def _none(typed=""):
    """None, for which one may type a word on the command line."""
    words = (repr(typed),) if typed else ()
    return Kind(("None",), "None", lambda value: None if value is None else _NOT, words, {typed: None}.__getitem__)


def _take_flag(value):
    import numpy as np

    return bool(value) if isinstance(value, (bool, np.bool_)) else _NOT


def _take_array(value):
    import numpy as np

    try:
        is_array = not isinstance(value, (str, type(None))) and (np.ndim(value) > 0 or hasattr(value, "__dlpack__"))
    except ValueError:  # lists of different lengths: who wants the numbers says so
        is_array = True
    return value if is_array else _NOT


def _take_random_state(value):
    import numpy as np

    return value if isinstance(value, np.random.RandomState) else _NOT


def _take_path(value):
    is_path = isinstance(value, (str, os.PathLike)) and os.fspath(value) not in ("", b"")
    return os.fspath(value) if is_path else _NOT


def name_in_torch(value):
    """The name of a device or a dtype of PyTorch, as ``X.device`` and ``X.dtype`` are; other values as they are."""
    kind = type(value)
    is_such = kind.__module__ == "torch" and kind.__name__ in ("device", "dtype")
    return str(value).removeprefix("torch.") if is_such else value


def _take_device(value):
    value = name_in_torch(value)
    name, colon, rest = value.partition(":") if isinstance(value, str) else ("", "", "")
    numbers = rest.split(",")
    named = name == "cuda" and all(one.isdecimal() for one in numbers) and len(set(map(int, numbers))) == len(numbers)
    return value if name in ("auto", "cpu", "cuda") and (not colon or named) else _NOT


def _take_dtype(value):
    import numpy as np

    name = np.dtype(value).name if isinstance(value, (type, np.dtype)) else name_in_torch(value)
    return name if isinstance(name, str) and name in ("float32", "float64") else _NOT


_UNITS = {"": 1, "k": 10**3, "m": 10**6, "g": 10**9, "t": 10**12} | {
    "ki": 2**10, "mi": 2**20, "gi": 2**30, "ti": 2**40
}  # fmt: skip


def _take_bytes(value):
    if isinstance(value, str):
        found = re.fullmatch(r"([0-9]+(?:\.[0-9]+)?) *([kmgt]?i?)b?", value.strip().lower())
        if not found or found[2] not in _UNITS:
            return _NOT
        value = int(float(found[1]) * _UNITS[found[2]])
    fits = isinstance(value, Real) and not isinstance(value, bool) and 1 <= value < 2**63
    return int(value) if fits else _NOT


_DEVICES = ("'auto'", "'cpu'", "'cuda'", "'cuda:N'", "'cuda:N,M'")
_DEVICE = Kind(_DEVICES, _either(_DEVICES), _take_device, _DEVICES)
_DTYPES = ("'float32'", "'float64'")
_DTYPE = Kind(_DTYPES, _either(_DTYPES), _take_dtype, _DTYPES)
_PATH = Kind(("a path",), "a path-like", _take_path)
_SIZES = ("a number of bytes", "a size such as '8GB'")
_BYTES = Kind(_SIZES, _either(_SIZES), _take_bytes, _SIZES)
_FLAG = Kind(("True", "False"), "an instance of 'bool'", _take_flag)
_FUNCTION = Kind(("a callable",), "a callable", lambda value: value if callable(value) else _NOT)
_ARRAY = Kind(("an array",), "an array-like", _take_array)
_RANDOM_STATE = Kind(("a RandomState",), "an instance of 'numpy.random.mtrand.RandomState'", _take_random_state)


# ---- the table -----------------------------------------------------------------------------------------------------


class Flag(NamedTuple):
    """An option of the command line."""

    names: tuple[str, ...]
    help: str
    metavar: str | None = None
    default: Any = None  # where it is not the parameter's
    required: bool = False
    ruled: bool = True  # whether the parameter's rule reads it
    everywhere: bool = False  # whether every command that computes has it, not `fit` alone


class Parameter(NamedTuple):
    """An entry of the table."""

    name: str
    default: Any
    rule: Rule
    passed: bool = False  # whether the engine's `fit` takes it by its name
    saved: bool = True  # whether a model file holds it
    flag: Flag | None = None  # of the command line


_TABLE = (
    Parameter(
        "n_clusters", 8, Rule(_integer(1)), flag=Flag(("-k", "--n-clusters"), "number of clusters", "K", required=True)
    ),
    Parameter(
        "random_state",
        None,
        Rule(_integer(0, 2**32 - 1), _RANDOM_STATE, _none()),
        flag=Flag(("--seed",), "of all random draws (default: %(default)s)", "S", default=0),
    ),
    Parameter("seed", None, Rule(_integer(0), _none()), saved=False),  # what functions have for it
    Parameter(
        "init",
        "k-means++",
        Rule(_name(*METHODS), _FUNCTION, _ARRAY),
        flag=Flag(
            ("--init",),
            "k-means++ (default), 'k-means||' (in quotes), random, or a .npy or .csv file of K centroids in the data's "
            "units",
            "START",
            ruled=False,  # it may be a file
        ),
    ),
    Parameter(
        "n_init",
        "auto",
        Rule(_name("auto"), _integer(1)),
        flag=Flag(("--n-init",), "runs, of which the best is kept; auto: 10 for random, else 1", "N"),
    ),
    Parameter(
        "init_size",
        "auto",
        Rule(_name("auto"), _integer(1), _none("all")),
        passed=True,
        flag=Flag(
            ("--init-size",),
            "draw the seeds from a sample of so many rows, or from 'all'; auto: for k-means++ on many rows, 256 a "
            "cluster and at least 16,384, and of many clusters from candidates",
            "ROWS",
        ),
    ),
    Parameter(
        "refine",
        None,
        Rule(_name("breathing"), _none()),
        passed=True,
        flag=Flag(
            ("--refine",),
            "breathing: look for a better optimum once a run has converged; takes the time of two to eight runs",
            "HOW",
        ),
    ),
    Parameter(
        "max_iter",
        300,
        Rule(_integer(1)),
        passed=True,
        flag=Flag(("--max-iter",), "iterations a run (default: %(default)s)", "N"),
    ),
    Parameter(
        "tol",
        1e-4,
        Rule(_number(0)),
        passed=True,
        flag=Flag(("--tol",), "stop when the centroids settle to this tolerance (default: %(default)s)"),
    ),
    Parameter("verbose", 0, Rule(_integer(0), _FLAG)),
    Parameter("copy_x", True, Rule(_FLAG)),
    Parameter("algorithm", "auto", Rule(_name("auto", "lloyd", "elkan"))),
    Parameter("dtype", None, Rule(_DTYPE, _none())),
    Parameter(
        "device",
        "auto",
        Rule(_DEVICE),
        passed=True,
        flag=Flag(("--device",), "auto, cpu, cuda, cuda:N or cuda:N,M (default: %(default)s)", "D", everywhere=True),
    ),
    Parameter(
        "n_threads",
        None,
        Rule(_integer(1), _none()),
        passed=True,
        flag=Flag(("--threads",), "default: all usable CPUs; the answer does not depend on it", "N", everywhere=True),
    ),
    Parameter(
        "max_memory",
        None,
        Rule(_BYTES, _none()),
        saved=False,
        flag=Flag(
            ("--max-memory",),
            "memory to take, such as 8GB; FILE may then be larger than that, or a directory or a pattern in quotes: it "
            "is read anew in each pass",
            "SIZE",
        ),
    ),
    Parameter("callback", None, Rule(_FUNCTION, _none()), passed=True, saved=False),
    Parameter(
        "checkpoint",
        None,
        Rule(_PATH, _none()),
        passed=True,
        saved=False,
        flag=Flag(("--checkpoint",), "a file to keep how far the fit has come", "PATH", ruled=False),
    ),
    Parameter("resume", False, Rule(_FLAG), passed=True, saved=False),
    Parameter("return_distance", True, Rule(_FLAG), saved=False),
)
PARAMETERS = {parameter.name: parameter for parameter in _TABLE}
DEFAULTS = {parameter.name: parameter.default for parameter in _TABLE}


def checked(arguments: Mapping[str, Any], owner: str = "") -> dict[str, Any]:
    """Those of the arguments that the table knows, as the engine takes them.

    Parameters
    ----------
    arguments : dict
        By name.
    owner : str, optional
        The estimator that they are parameters of: messages are then worded as scikit-learn's.

    Raises
    ------
    ValueError
        For the first that breaks its rule; the message says the rule and the value.
    """
    found = {}
    for name, value in arguments.items():
        if name in PARAMETERS:
            found[name] = PARAMETERS[name].rule.checked(name, value, owner)
    return found


def for_engine(values: Mapping[str, Any]) -> dict[str, Any]:
    """Those of the checked values that the engine's `fit` takes by their names."""
    return {name: value for name, value in values.items() if PARAMETERS[name].passed}


def runs(n_init: int | str, init: Any) -> int:
    """The number of runs: for "auto" 10 from random rows or a callable and 1 otherwise, scikit-learn's rule."""
    if n_init != "auto":
        return int(n_init)
    return 10 if callable(init) or (isinstance(init, str) and init == "random") else 1
