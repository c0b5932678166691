"""Programs that are run to their end and judged by their exit status: pytest, compute-sanitizer."""

import os
import shutil
import signal
import subprocess
import tempfile
import time
from pathlib import Path

from . import ROOT

LAST = 25  # lines kept
_SANITIZER_FOLDERS = ("/usr/local/cuda/bin", "/usr/local/cuda/compute-sanitizer", "/opt/nvidia/compute-sanitizer")


_running = []  # processes, each in a group of its own: compute-sanitizer starts its program as another process


def begun(command, stdout, *, cwd=ROOT, stderr=None):
    """A process that `end_running` ends, unless `ended` is called before."""
    command = [str(word) for word in command]
    process = subprocess.Popen(
        command, cwd=cwd, env=environment(), stdout=stdout, stderr=stderr, text=True, process_group=0
    )
    _running.append(process)
    return process


def ended(process):
    """End a process with all that it has started, if it still runs."""
    if process.poll() is None:
        os.killpg(process.pid, signal.SIGKILL)
        process.wait()
    _running.remove(process)


def end_running():
    """End what runs, with all that it has started."""
    for process in list(_running):
        ended(process)


def environment():
    """That of this process, with the checkout importable."""
    path = os.pathsep.join([str(ROOT), *filter(None, [os.environ.get("PYTHONPATH")])])
    return {**os.environ, "PYTHONPATH": path, "PYTHONUNBUFFERED": "1"}


def finished(command, seconds):
    """Run a command in the checkout, for so many seconds at most.

    Returns
    -------
    dict
        "command", "exit_status" (None if it was ended), "seconds", "last_lines".
    """
    started = time.perf_counter()
    with tempfile.TemporaryFile("w+", errors="replace") as output:
        process = begun(command, output, stderr=subprocess.STDOUT)
        try:
            status = process.wait(max(1.0, seconds))
        except subprocess.TimeoutExpired:
            status = None
        finally:
            ended(process)
        output.seek(0)
        lines = output.read().splitlines()
    return {
        "command": " ".join(str(word) for word in command),
        "exit_status": status,
        "seconds": time.perf_counter() - started,
        "last_lines": [line[:300] for line in lines[-LAST:]],
    }


def sanitizer():
    """The path of compute-sanitizer, or None."""
    homes = [Path(os.environ[name]) / "bin" for name in ("CUDA_HOME", "CUDA_PATH") if os.environ.get(name)]
    folders = os.pathsep.join([os.environ.get("PATH", ""), *map(str, homes), *_SANITIZER_FOLDERS])
    return shutil.which("compute-sanitizer", path=folders)
