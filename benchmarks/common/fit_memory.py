"""Peak memory of fits to convergence beyond X, each in a fresh process that makes the data itself."""

import subprocess

from .sections import child
from .timing import say


def peaks(contenders, data, n_clusters, n_iter, timeout):
    """Measure one row of the grid.

    Parameters
    ----------
    contenders : iterable of str
        As `fits.fit` knows them.
    data : str
        The name of a data set of `datasets.datasets`.
    n_clusters, n_iter : int
        `n_iter` is for those who count iterations.
    timeout : float
        Seconds that a process may take, from importing to the end of the fit.

    Returns
    -------
    dict of name -> dict
        "beyond_bytes", "data_bytes", "baseline_bytes" and "method", or "skipped" with the reason.
    """
    found = {}
    for name in contenders:
        try:
            found[name] = child("converged", name, data, n_clusters, n_iter, timeout=timeout)[1]
        except subprocess.TimeoutExpired:
            found[name] = {"skipped": f"not done after {timeout:.0f} s"}
        except (RuntimeError, ValueError, OSError) as error:  # of the child, or of what it printed
            found[name] = {"skipped": f"failed: {_last_line(error)}"}
    say("  MiB: " + ", ".join(f"{name} {mebibytes(run)}" for name, run in found.items()))
    return found


def mebibytes(run):
    """As text; "-" where nothing was measured."""
    return f"{run['beyond_bytes'] / 2**20:.1f}" if "beyond_bytes" in run else "-"


def _last_line(error):
    """Of a traceback: the exception."""
    return (str(error).strip().splitlines() or [type(error).__name__])[-1]
