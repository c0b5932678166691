"""The table of parameters: every face shows what it says, and words errors by its rules."""

import inspect

import numpy as np
import pytest

import kmeans_fast
from kmeans_fast import KMeans, estimators
from kmeans_fast.cli.parser import make_parser
from kmeans_fast.parameters import PARAMETERS, checked, runs

ESTIMATORS = [getattr(estimators, name) for name in estimators.ESTIMATORS]
FUNCTIONS = [kmeans_fast.kmeans, kmeans_fast.kmeans_plusplus, kmeans_fast.assign]
DATA = {"X", "sample_weight", "centroids", "out"}


@pytest.mark.parametrize("face", [*ESTIMATORS, *FUNCTIONS], ids=lambda face: face.__name__)
def test_faces_show_the_table(face):
    shown = {name: parameter.default for name, parameter in inspect.signature(face).parameters.items()}
    assert set(shown) - DATA <= set(PARAMETERS)
    differing = {name for name in set(shown) - DATA if shown[name] != PARAMETERS[name].default}
    assert differing == (set() if face in ESTIMATORS else {"n_clusters", "n_init"} & set(shown))
    for name in shown:
        assert f"{name} : " in face.__doc__ or f"{name}, " in face.__doc__ or f", {name}" in face.__doc__


def test_every_entry_is_shown_somewhere():
    shown = set().union(*(inspect.signature(face).parameters for face in (*ESTIMATORS, *FUNCTIONS)))
    assert set(PARAMETERS) == shown - DATA


@pytest.mark.parametrize("name", PARAMETERS)
def test_every_default_keeps_its_rule(name):
    default = PARAMETERS[name].default
    assert checked({name: default}) == {name: default}


WRONG = {
    "n_clusters": (0, "an integer of at least 1", "an int in the range [1, inf)"),
    "seed": (-1, "an integer of at least 0 or None", "an int in the range [0, inf) or None"),
    "random_state": (
        2**32,
        "an integer from 0 to 4294967295, a RandomState or None",
        "an int in the range [0, 4294967295], an instance of 'numpy.random.mtrand.RandomState' or None",
    ),
    "init": (
        3,
        "'k-means++', 'k-means||', 'random', a callable or an array",
        "a str among {'k-means++', 'k-means||', 'random'}, a callable or an array-like",
    ),
    "n_init": ("many", "'auto' or an integer of at least 1", "a str among {'auto'} or an int in the range [1, inf)"),
    "init_size": (
        0,
        "'auto', an integer of at least 1 or None",
        "a str among {'auto'}, an int in the range [1, inf) or None",
    ),
    "refine": ("more", "'breathing' or None", "a str among {'breathing'} or None"),
    "max_iter": (True, "an integer of at least 1", "an int in the range [1, inf)"),
    "tol": (10**400, "a finite number of at least 0", "a float in the range [0.0, inf)"),
    "verbose": (-1, "an integer of at least 0, True or False", "an int in the range [0, inf) or an instance of 'bool'"),
    "return_distance": ("no", "True or False", "an instance of 'bool'"),
    "copy_x": (1, "True or False", "an instance of 'bool'"),
    "algorithm": ("full", "'auto', 'lloyd' or 'elkan'", "a str among {'auto', 'lloyd', 'elkan'}"),
    "dtype": (np.float16, "'float32', 'float64' or None", "'float32' or 'float64' or None"),
    "device": (
        "cuda:",
        "'auto', 'cpu', 'cuda', 'cuda:N' or 'cuda:N,M'",
        "'auto', 'cpu', 'cuda', 'cuda:N' or 'cuda:N,M'",
    ),
    "n_threads": (1.0, "an integer of at least 1 or None", "an int in the range [1, inf) or None"),
    "max_memory": (
        "much",
        "a number of bytes, a size such as '8GB' or None",
        "a number of bytes or a size such as '8GB' or None",
    ),
    "callback": ("print", "a callable or None", "a callable or None"),
    "checkpoint": ("", "a path or None", "a path-like or None"),
    "resume": (1, "True or False", "an instance of 'bool'"),
}


@pytest.mark.parametrize("name", PARAMETERS)
def test_one_rule_has_two_wordings(name):
    value, plain, formal = WRONG[name]
    with pytest.raises(ValueError, match=r".") as caught:
        checked({name: value})
    assert str(caught.value) == f"{name} must be {plain}, got {value!r}."
    with pytest.raises(ValueError, match=r".") as caught:
        checked({name: value}, "KMeans")
    assert str(caught.value) == f"The {name!r} parameter of KMeans must be {formal}. Got {value!r} instead."


def test_values_are_taken_as_the_engine_wants_them():
    given = {"n_clusters": np.uint8(3), "tol": np.float32(0.5), "init": np.str_("random"), "copy_x": np.True_, "X": 3}
    found = checked(given)
    assert found == {"n_clusters": 3, "tol": 0.5, "init": "random", "copy_x": True}
    assert [type(value) for value in found.values()] == [int, float, str, bool]


@pytest.mark.parametrize(
    ("name", "of_torch", "taken"),
    [("device", "cpu", "cpu"), ("device", "cuda:1", "cuda:1"), ("dtype", "torch.float32", "float32")],
)
def test_devices_and_dtypes_may_be_pytorchs(name, of_torch, taken):
    kind = type(name, (), {"__module__": "torch", "__str__": lambda self: of_torch})
    assert checked({name: kind()}) == {name: taken}
    other = type(name, (), {"__module__": "torch", "__str__": lambda self: "torch.float16"})()
    with pytest.raises(ValueError, match=f"{name} must be"):
        checked({name: other})


@pytest.mark.parametrize(
    ("n_init", "init", "expected"),
    [("auto", "random", 10), ("auto", len, 10), ("auto", "k-means++", 1), ("auto", [[1.0]], 1), (3, "random", 3)],
)
def test_runs_by_scikit_learns_rule(n_init, init, expected):
    assert runs(n_init, init) == expected


def test_functions_take_n_init_auto():
    X = np.random.default_rng(0).normal(size=(50, 2))
    assert len({step.run for step in kmeans_fast.kmeans(X, 3, init="random", n_init="auto", seed=0).history}) == 10


# ---- the command line ----------------------------------------------------------------------------------------------


def parsed(*options):
    return vars(make_parser().parse_args(["fit", "data.npy", "-k", "3", *options]))


def test_the_command_line_has_the_tables_defaults():
    with_flags = {name: parameter.default for name, parameter in PARAMETERS.items() if parameter.flag}
    found = {name: value for name, value in parsed().items() if name in with_flags}
    assert found == {**with_flags, "n_clusters": 3, "random_state": 0}
    assert set(found) <= set(KMeans().get_params())


@pytest.mark.parametrize(
    ("options", "name", "value"),
    [
        (["--seed", "7"], "random_state", 7),
        (["--init", "start.npy"], "init", "start.npy"),
        (["--n-init", "4"], "n_init", 4),
        (["--n-init", "auto"], "n_init", "auto"),
        (["--init-size", "all"], "init_size", None),
        (["--init-size", "500"], "init_size", 500),
        (["--refine", "breathing"], "refine", "breathing"),
        (["--tol", "0"], "tol", 0.0),
        (["--device", "cuda:1"], "device", "cuda:1"),
        (["--threads", "2"], "n_threads", 2),
    ],
)
def test_options_are_read_by_the_rules(options, name, value):
    assert parsed(*options)[name] == value


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["--seed", "4294967296"], "--seed: must be an integer from 0 to 4294967295, got '4294967296'"),
        (["--n-init", "x"], "--n-init: must be 'auto' or an integer of at least 1, got 'x'"),
        (["--init-size", "None"], "--init-size: must be 'auto', an integer of at least 1 or 'all', got 'None'"),
        (["--refine", "x"], "--refine: must be 'breathing', got 'x'"),
        (["--max-iter", "1.5"], "--max-iter: must be an integer of at least 1, got '1.5'"),
        (["--tol", "inf"], "--tol: must be a finite number of at least 0, got 'inf'"),
        (["--threads", "0"], "--threads: must be an integer of at least 1, got '0'"),
    ],
)
def test_options_that_break_a_rule_are_refused_in_its_words(capsys, options, message):
    with pytest.raises(SystemExit):
        parsed(*options)
    assert message in capsys.readouterr().err
