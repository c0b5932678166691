"""The command line, run as a process, and what its tests compare it with."""

import os
import subprocess
import sys

from support import REPOSITORY

import kmeans_fast


def run_process(directory, *args, code=0, without=()):
    """Run ``kmeans-fast`` as a process that cannot import the packages `without`. Returns the finished process."""
    if without:
        blocked = "; ".join(f"sys.modules[{name!r}] = None" for name in without)
        start = ["-c", f"import sys; {blocked}; from kmeans_fast.cli import main; sys.exit(main())"]
    else:
        start = ["-m", "kmeans_fast"]
    command = [sys.executable, *start, *map(str, args)]
    environment = {**os.environ, "PYTHONPATH": str(REPOSITORY)}
    done = subprocess.run(command, cwd=directory, env=environment, capture_output=True, text=True, timeout=580)
    assert done.returncode == code, f"{done.returncode}\n{done.stdout}\n{done.stderr}"
    return done


def check_error(stdout, stderr):
    """The one line of error in `stderr`."""
    assert stdout == ""
    lines = [line for line in stderr.splitlines() if "error:" in line]
    assert len(lines) == 1
    assert lines[0].startswith("kmeans-fast: error: ")
    assert "Traceback" not in stderr
    return lines[0]


def expected(X, k=3, weights=None, **options):
    return kmeans_fast.KMeans(k, random_state=0, **options).fit(X, sample_weight=weights)
