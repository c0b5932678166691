"""Other processes: programs run to their end, measurements in a fresh one, workers that are asked and answer.

Each is in a group of its own, which is ended with it: compute-sanitizer starts its program as another process.
"""

import importlib.util
import json
import os
import queue
import shutil
import signal
import subprocess
import sys
import tempfile
import threading
import time
from pathlib import Path

from . import BENCHMARKS, ROOT
from .timing import say, timed

LAST = 25  # lines that are kept of what a program printed
CHILD = BENCHMARKS / "cpu_parts" / "child.py"
_LEAVE = 3  # seconds that a worker has to go when told to
_SANITIZER_FOLDERS = ("/usr/local/cuda/bin", "/usr/local/cuda/compute-sanitizer", "/opt/nvidia/compute-sanitizer")

_running = []


def begun(command, stdout, *, cwd=ROOT, stderr=None, **variables):
    """A process that `end_running` ends, unless `ended` is called before."""
    process = subprocess.Popen(
        [str(word) for word in command],
        cwd=cwd,
        env=environment(**variables),
        stdout=stdout,
        stderr=stderr,
        text=True,
        process_group=0,
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


def environment(**variables):
    """That of this process and some variables; the kmeans_fast of this process is importable, installed or not."""
    ours = Path(importlib.util.find_spec("kmeans_fast").origin).parents[1]
    path = os.pathsep.join([str(ours), *filter(None, [os.environ.get("PYTHONPATH")])])
    return {**os.environ, "PYTHONPATH": path, "PYTHONUNBUFFERED": "1", **variables}


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


def child(*arguments, timeout=None, **variables):
    """Wall seconds of ``child.py arguments``, from before its start to after its end, and its answer.

    Raises
    ------
    subprocess.TimeoutExpired
        If it takes longer than `timeout` seconds.
    RuntimeError
        If it fails, with what it wrote to standard error.
    """
    command = [sys.executable, CHILD, *arguments]

    def run():
        process = begun(command, subprocess.PIPE, stderr=subprocess.PIPE, **variables)
        try:
            return *process.communicate(timeout=timeout), process.returncode
        finally:
            ended(process)

    seconds, (out, err, status) = timed(run)
    if status:
        raise RuntimeError(f"{' '.join(map(str, command))} ended with {status}:\n{err}")
    return seconds, json.loads(out.splitlines()[-1])  # libraries may print before


def sanitizer():
    """The path of compute-sanitizer, or None."""
    homes = [Path(os.environ[name]) / "bin" for name in ("CUDA_HOME", "CUDA_PATH") if os.environ.get(name)]
    folders = os.pathsep.join([os.environ.get("PATH", ""), *map(str, homes), *_SANITIZER_FOLDERS])
    return shutil.which("compute-sanitizer", path=folders)


class Worker:
    """A process that says what it does and finds in lines of JSON, and may be asked in such lines."""

    def __init__(self, command, variables=None):
        self.process = subprocess.Popen(
            command,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            process_group=0,
            env=variables,
        )
        self.messages, self.last = queue.Queue(), ""
        readers = (self._read_messages, self._read_errors)
        self.readers = [threading.Thread(target=reader, daemon=True) for reader in readers]
        for reader in self.readers:
            reader.start()

    @classmethod
    def of_checkout(cls, script, checkout):
        """One that a script starts with its hidden option `--work`, and that imports kmeans_fast from a checkout."""
        return cls([sys.executable, script, "--work", str(checkout)], environment(PYTHONPATH=str(checkout)))

    def _read_messages(self):
        with self.process.stdout as stream:
            for line in stream:
                if line.endswith("\n"):  # else it was ended in the middle of it
                    self.messages.put(json.loads(line))
        self.messages.put(None)

    def _read_errors(self):
        with self.process.stderr as stream:
            for line in stream:
                self.last = line.rstrip()
                say(f"  {self.last}")

    def hear(self, seconds=None):
        """The next message; None when there will be no more. `queue.Empty` when nothing comes in time."""
        return self.messages.get(timeout=seconds if seconds is None else max(0.1, seconds))

    def ask(self, question):
        """The answer to a question; RuntimeError where the process ends instead, or answers what "failed"."""
        try:
            self.process.stdin.write(json.dumps(question) + "\n")
            self.process.stdin.flush()
        except BrokenPipeError:
            raise RuntimeError(self.epitaph()) from None
        answer = self.hear()
        if answer is None:
            raise RuntimeError(self.epitaph())
        if isinstance(answer, dict) and "failed" in answer:
            raise RuntimeError(answer["failed"])
        return answer

    def epitaph(self):
        """How it ended, in words."""
        status = self.process.wait()
        self.readers[1].join(2)
        how = f"was ended by {signal.Signals(-status).name}" if status < 0 else f"ended with status {status}"
        return f"the process {how}" + (f": {self.last[:200]}" if self.last and status else "")

    def __enter__(self):
        return self

    def __exit__(self, *_):
        if self.process.poll() is None:
            self.process.terminate()  # it ends the programs that it runs
            try:
                self.process.wait(_LEAVE)
            except subprocess.TimeoutExpired:  # it hangs in a call to the device
                os.killpg(self.process.pid, signal.SIGKILL)
                self.process.wait()
        for reader in self.readers:
            reader.join(5)
        self.process.stdin.close()
