"""One measurement in a fresh process: ``python child.py memory|converged|first-fit|import kmeans_fast|sklearn [...]``.

Used by peers.py, convergence.py and the asv benchmarks. Imports nothing before it must: in "import" and "first-fit" the
caller measures the whole life of the process. Answers with one JSON object, the last line on stdout.
"""

import contextlib
import importlib
import json
import sys
from pathlib import Path

WARM_UP_ROWS = 20_000  # enough for the parallel kernels


def estimator(library):
    """The KMeans class of a library, imported on the way."""
    return importlib.import_module({"kmeans_fast": "kmeans_fast", "sklearn": "sklearn.cluster"}[library]).KMeans


def first_fit(library, n_samples=100_000, n_features=16):
    """From nothing to the first result. Ten iterations: starting up is the subject."""
    import numpy as np

    X = np.random.default_rng(0).standard_normal((n_samples, n_features), dtype=np.float32)
    model = estimator(library)(8, n_init=1, max_iter=10, random_state=0).fit(X)
    return {"n_iter": int(model.n_iter_)}


def memory(library, n_samples, n_features, n_clusters):
    """Peak memory of a fit, beyond what the process held before it (X included)."""
    import numpy as np

    rng = np.random.default_rng(0)
    model = estimator(library)(n_clusters, n_init=1, max_iter=3, random_state=0)
    # Imports, kernels and thread pools are not the fit's: have them before.
    model.fit(rng.standard_normal((WARM_UP_ROWS, n_features), dtype=np.float32))
    X = np.empty((n_samples, n_features), np.float32)
    rng.standard_normal(dtype=np.float32, out=X)
    return _beyond(lambda: model.fit(X), X)


def converged(contender, data, n_clusters, n_iter):
    """Peak memory of a fit of convergence.py beyond X: of this data set, from the same start."""
    import numpy as np

    sys.path.append(str(Path(__file__).parents[1]))
    from common.data import start_of
    from common.datasets import DATASETS
    from common.stands import HOST

    from cpu_parts.contenders import CONTENDERS

    who = CONTENDERS[contender]
    # A copy: rows mapped from a file would be counted when the fit reads them.
    X = np.array(next(known.X for known in DATASETS if known.name == data))
    start = start_of(X, n_clusters)
    # A quarter at most: what a library keeps of the warm-up, the fit does not have to ask for.
    every = min(max(4, len(X) // WARM_UP_ROWS), len(X) // n_clusters)
    who.ready(HOST, X[::every].copy(), n_clusters)
    who.converge(start, n_iter)
    who.open(HOST, X, n_clusters)
    return _beyond(lambda: who.converge(start, n_iter), X)


def _beyond(fit, X):
    """What `fit` takes at its peak, beyond what the process held before it."""
    import ctypes

    with contextlib.suppress(OSError, AttributeError, TypeError):  # glibc's alone
        # Give back to the system what was freed: a fit that finds it would seem to need less.
        ctypes.CDLL(None).malloc_trim(0)
    before, how = _baseline()
    fit()
    beyond = max(0, _peak(how) - before)
    return {"beyond_bytes": beyond, "data_bytes": X.nbytes, "baseline_bytes": before, "method": how}


def _status(field):
    """A field of /proc/self/status, in bytes."""
    with open("/proc/self/status") as status:
        for line in status:
            if line.startswith(field + ":"):
                return int(line.split()[1]) * 1024
    raise OSError(f"/proc/self/status has no {field}")


def _baseline():
    """Memory held now, and how the peak is to be read.

    ru_maxrss alone understates: it may remember a moment before the fit, and a child starts with its parent's. Linux
    can forget the peak.
    """
    try:
        with open("/proc/self/clear_refs", "w") as clear:
            clear.write("5")
        return _status("VmRSS"), "VmHWM after reset"
    except OSError:
        return _peak("ru_maxrss"), "ru_maxrss"


def _peak(how):
    if how == "VmHWM after reset":
        return _status("VmHWM")
    import resource

    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak if sys.platform == "darwin" else peak * 1024


def main():
    what, library, *rest = sys.argv[1:]
    if what == "import":
        estimator(library)
        answer = {}
    else:
        call = {"first-fit": first_fit, "memory": memory, "converged": converged}[what]
        answer = call(library, *(int(word) if word.isdigit() else word for word in rest))
    print(json.dumps(answer))


if __name__ == "__main__":
    main()
