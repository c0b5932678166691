"""What importing pulls in, and what it must not."""

import inspect
import textwrap

import pytest
from support import run_python

import kmeans_fast
from simulator.build import COMPILER

HEAVY = ("sklearn", "numba", "llvmlite", "scipy", "pandas", "cupy", "torch", "matplotlib")


def loaded_after(code):
    """Top-level names in sys.modules after `code` in a fresh process."""
    code = textwrap.dedent(code)
    return set(run_python(f"import sys\n{code}\nprint(*{{name.split('.')[0] for name in sys.modules}})").split())


def test_importing_the_package_loads_nothing_heavy():
    assert not loaded_after("import kmeans_fast") & set(HEAVY)


def test_the_functions_do_without_scikit_learn():
    """Those that warn of few clusters and refuse a parameter, too."""
    loaded = loaded_after("""
        import warnings
        import kmeans_fast
        with warnings.catch_warnings(record=True) as caught:
            kmeans_fast.kmeans([[0.0], [1], [1]], 3, seed=0, refine="breathing")
        assert len(caught) == 1
        try:
            kmeans_fast.kmeans([[0.0]], 1, device="tpu")
        except ValueError:
            pass
        """)
    assert "numba" in loaded
    assert not loaded & {"sklearn", "pandas", "cupy", "torch", "matplotlib"}


def test_metrics_are_loaded_when_they_are_asked_for_and_do_without_scikit_learn():
    print_loaded = "print(*[name for name in sys.modules if 'metrics' in name or name == 'sklearn'])"
    assert run_python(f"import sys, kmeans_fast; kmeans_fast.kmeans; {print_loaded}").split() == []
    used = "import sys, kmeans_fast; kmeans_fast.metrics.silhouette_score([[0.0], [1], [5]], [0, 0, 1])"
    loaded = run_python(f"{used}; {print_loaded}").split()
    assert "kmeans_fast.metrics.silhouettes" in loaded
    assert "sklearn" not in loaded


def test_the_estimator_loads_neither_plots_nor_gpus():
    assert not loaded_after("from kmeans_fast import KMeans; KMeans(2).fit([[0.0], [1], [5]])") & {
        "cupy",
        "torch",
        "matplotlib",
    }


@pytest.mark.parametrize(
    "code", ["from kmeans_fast import *", "import kmeans_fast.kernels.cpu", "import kmeans_fast.estimators"]
)
def test_the_kernels_have_one_name(code):
    assert "kernels" not in loaded_after(code)


def test_the_kernels_are_importable_under_the_package():
    run_python("""
        import importlib, kmeans_fast.kernels
        for name in ("cpu", "cpu.assignment.dense", "cpu.exact.distances", "cpu.seeding.trials"):
            assert importlib.import_module(f"kmeans_fast.kernels.{name}").__name__ == f"kmeans_fast.kernels.{name}"
    """)


def test_every_public_name_resolves_and_is_listed():
    run_python("""
        import kmeans_fast
        for name in kmeans_fast.__all__:
            getattr(kmeans_fast, name)
        assert set(kmeans_fast.__all__) <= set(dir(kmeans_fast))
        assert isinstance(kmeans_fast.__version__, str)
    """)


def test_an_unknown_name_is_an_attribute_error():
    run_python("""
        import kmeans_fast
        try:
            kmeans_fast.nothing
        except AttributeError as error:
            assert "nothing" in str(error)
        else:
            raise SystemExit("no AttributeError")
    """)


def test_importing_starts_no_threads_and_touches_no_random_state():
    run_python("""
        import threading
        import numpy
        before = numpy.random.get_state()[1].copy()
        import kmeans_fast
        from kmeans_fast import KMeans
        import kmeans_fast.kernels.cpu
        assert threading.active_count() == 1
        assert (numpy.random.get_state()[1] == before).all()
    """)


@pytest.mark.skipif(not COMPILER, reason="there is no C++ compiler")
def test_a_gpu_does_without_numba():
    """An interpreter that Numba does not support serves as well there."""
    run_python(
        """
        import sys
        sys.modules["numba"] = sys.modules["llvmlite"] = None  # importing them fails
        import numpy as np
        from simulator.device import SimBackend
        import kmeans_fast
        from kmeans_fast import backends
        from kmeans_fast.backends.cuda import cost
        from kmeans_fast.backends.protocol import Problem
        backends.BACKENDS = (*backends.BACKENDS, SimBackend())
        X = np.random.default_rng(0).normal(size=(90, 3))
        assert cost.declines(Problem(90, 3, 4, X.dtype))
        with kmeans_fast.use_backend("cuda-sim"):
            found = kmeans_fast.kmeans(X, 4, seed=0)
            kmeans_fast.assign(X, found.centroids)
            kmeans_fast.kmeans_plusplus(X, 3, seed=0)
            model = kmeans_fast.KMeans(4).fit(X)
            model.transform(X)
            assert (model.to_sklearn().labels_ == model.labels_).all()
        """
    )


@pytest.mark.parametrize("module", ["reference", "persistence"])
def test_modules_without_kernels_do_without_numba(module):
    assert "numba" not in loaded_after(f"import kmeans_fast.{module}")


def test_signatures_are_annotated_and_can_be_read():
    functions = [
        getattr(kmeans_fast, name) for name in ("assign", "explain", "kmeans", "kmeans_plusplus", "use_backend")
    ]
    methods = ("fit", "predict", "fit_predict", "transform", "fit_transform", "score", "save", "to_sklearn")
    functions += [kmeans_fast.KMeans, *(getattr(kmeans_fast.KMeans, name) for name in methods)]
    for function in functions:
        signature = inspect.signature(function)
        for parameter in signature.parameters.values():
            assert parameter.name == "self" or parameter.annotation is not parameter.empty, (function, parameter)
        assert "numpy._typing" not in str(signature)
    assert str(inspect.signature(kmeans_fast.assign)).startswith("(X: 'ArrayLike', centroids: 'ArrayLike', *, dtype: ")
