"""Measurements in a fresh process, by the same child as in peers.py."""

import json
import os
import subprocess
import sys
import time
from pathlib import Path

import kmeans_fast

CHILD = Path(__file__).parents[1] / "common" / "child.py"


def run(*arguments, **environment):
    """Wall seconds of ``child.py arguments`` from before its start to after its end, and its answer."""
    path = [str(Path(kmeans_fast.__file__).parents[1]), os.environ.get("PYTHONPATH")]
    environment = {**os.environ, **environment, "PYTHONPATH": os.pathsep.join(filter(None, path))}
    started = time.perf_counter()
    done = subprocess.run(
        [sys.executable, str(CHILD), *map(str, arguments)], env=environment, stdout=subprocess.PIPE, check=True
    )
    return time.perf_counter() - started, json.loads(done.stdout)
