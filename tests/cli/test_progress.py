"""What a command shows, times and makes of Ctrl-C while it runs."""

import io
import json
import os
import signal
import subprocess
import sys
import threading
import time

import numpy as np
import pytest
from kmeans_fast.kernels.cpu.runtime import compiling
from support import REPOSITORY

import kmeans_fast
from kmeans_fast.cli import main, progress, watch
from kmeans_fast.cli.stopwatch import Stopwatch

ERASED = "\r\x1b[K"
READ = "data.npy: 500 rows, 4 columns\n"
FILES = ("data.npy-labels.npy", "data.npy-centroids.csv", "data.npy-model.npz")


class Terminal(io.StringIO):
    encoding = "utf-8"

    def isatty(self):
        return True

    @property
    def frames(self):
        return self.getvalue().split(ERASED)


@pytest.fixture
def terminal(monkeypatch):
    """A stream that says that it is a terminal, on which commands show their progress."""
    monkeypatch.setenv("TERM", "xterm")
    monkeypatch.setenv("COLUMNS", "120")
    stream = Terminal()
    monkeypatch.setattr(watch, "display", lambda quiet=False: progress.display(quiet, stream))
    return stream


@pytest.fixture
def here(tmp_path, monkeypatch):
    X = np.random.default_rng(0).normal(size=(500, 4))
    np.save(tmp_path / "data.npy", X)
    monkeypatch.chdir(tmp_path)
    return X


def until(condition):
    """Wait for what another thread does."""
    end = time.monotonic() + 300
    while not condition():
        assert time.monotonic() < end
        time.sleep(0.01)


# ---- the line on a terminal ----------------------------------------------------------------------------------------


def test_the_clock_runs_while_nothing_is_reported(terminal):
    with watch.display() as bar:
        bar.phase("choosing the first centroids")
        before = len(terminal.frames)
        until(lambda: len(terminal.frames) > before + 2)
        times = [frame.rpartition(", ")[2] for frame in terminal.frames[before:]]
        assert len(set(times)) > 1
    assert terminal.getvalue().endswith(ERASED)


def test_every_phase_is_shown(terminal, here, capsys):
    assert main(["fit", "data.npy", "-k", "3", "--n-init", "2", "--init", "random"]) == 0
    shown = terminal.getvalue()
    phases = [
        "reading",
        "looking",
        "preparing",
        "choosing the first centroids",
        "iterating",
        "last pass",
        "summing up",
        "writing",
    ]
    places = [shown.index(phase) for phase in phases]
    assert places == sorted(places)
    assert shown.count("choosing the first centroids") >= 2  # every run's
    assert shown.count("\n") == 1  # what was read has a line of its own
    assert f"{ERASED}{READ}" in shown
    assert shown.endswith(ERASED)
    assert "started" not in shown  # no time as yet
    assert "seconds" in capsys.readouterr().out


def test_a_number_that_was_tried_is_told_from_how_many_there_are(terminal, here):
    assert main(["choose-k", "data.npy", "-k", "2:3"]) == 0
    assert "k=3 tried, 2 of at most 2" in terminal.getvalue()


@pytest.mark.parametrize("error", [KeyboardInterrupt, ValueError])
def test_the_line_is_gone_after_an_exception(terminal, error):
    with pytest.raises(error), watch.display() as bar:
        raise error
    bar.phase("more")
    bar.thread.join(10)
    assert not bar.thread.is_alive()
    assert terminal.getvalue().endswith(ERASED)


def test_warnings_have_a_line_of_their_own(terminal, here):
    np.save("same.npy", np.ones((50, 2)))
    assert main(["fit", "same.npy", "-k", "3"]) == 0
    lines = terminal.getvalue().split("\n")
    warning = next(line for line in lines if "warning:" in line)
    assert warning.split(ERASED)[-1].startswith("kmeans-fast: warning: Number of distinct clusters (1)")


def test_reading_shows_how_far_it_is(terminal):
    with watch.display() as bar:
        bar.reading(0.5, "1.2 of 2.4 GB")
        until(lambda: "━━━━━━━─" in terminal.getvalue())
        bar.reading(None, "standard input")
        until(lambda: "standard input" in terminal.getvalue())
    assert "1.2 of 2.4 GB" in terminal.getvalue()


def test_a_terminal_that_has_gone_does_not_stop_the_work(terminal):
    with watch.display() as bar:
        terminal.close()
        bar.phase("reading")


@pytest.mark.parametrize("dumb", [False, True])
def test_elsewhere_there_are_plain_lines(monkeypatch, here, capsys, dumb):
    monkeypatch.setenv("TERM", "dumb" if dumb else "xterm")
    stream = (Terminal if dumb else io.StringIO)()
    monkeypatch.setattr(watch, "display", lambda quiet: progress.display(quiet, stream))
    assert main(["fit", "data.npy", "-k", "3"]) == 0
    assert "\r" not in stream.getvalue()
    assert "\x1b" not in stream.getvalue()
    assert stream.getvalue().startswith(f"{READ}iteration 1/300")


# ---- times and compiling -------------------------------------------------------------------------------------------


def test_phases_are_timed_and_told(here, capsys):
    assert main(["fit", "data.npy", "-k", "3", "--json"]) == 0
    seconds = json.loads(capsys.readouterr().out)["seconds"]
    phases = ["reading", "looking", "preparing", "seeding", "iterating", "last_pass", "summary", "writing", "compiling"]
    assert list(seconds) == phases
    assert all(value >= 0 for value in seconds.values())
    assert main(["fit", "data.npy", "-k", "3"]) == 0
    out = capsys.readouterr().out
    assert all(f"{phase.replace('_', ' ')} 0." in out for phase in phases[:-1])


def test_compiling_is_taken_out_of_the_phase_it_is_in(monkeypatch):
    now = [0.0]
    monkeypatch.setattr(time, "perf_counter", lambda: now[0])
    clock = Stopwatch()
    clock.begin("seeding")
    for at, kernel, seconds in [(1, "draw", None), (2, "inner", None), (4, "inner", 2.0), (6, "draw", 5.0)]:
        now[0] = at
        clock.compiled(kernel, seconds)
    now[0] = 7.0
    clock.begin("iterating")
    now[0] = 9.0
    clock.end()
    assert clock.seconds == {"seeding": 2.0, "iterating": 2.0}
    assert (clock.compiling, clock.kernels) == (5.0, ["inner", "draw"])


@pytest.fixture
def compiles(monkeypatch):
    """A fit that seems to compile two kernels when it is prepared. What is learnt of times is not to hear of it."""
    monkeypatch.setattr(compiling, "listeners", [])

    class Compiling(kmeans_fast.KMeans):
        def fit(self, X, y=None, sample_weight=None):
            for kernel in ("assign", "draw"):
                for listener in list(compiling.listeners):
                    listener(kernel, None)
                    listener(kernel, 0.5)
            return super().fit(X, sample_weight=sample_weight)

    monkeypatch.setattr("kmeans_fast.cli.fit.KMeans", Compiling)


def test_compiling_is_announced_and_reported(terminal, here, capsys, compiles):
    assert main(["fit", "data.npy", "-k", "3", "--json"]) == 0
    assert "compiling assign, once on this machine" in terminal.getvalue()
    assert json.loads(capsys.readouterr().out)["compiled_kernels"] == ["assign", "draw"]
    assert main(["fit", "data.npy", "-k", "3"]) == 0
    assert "2 kernels; " in capsys.readouterr().out
    assert compiling.listeners == []


def test_compiling_is_a_line_in_a_log_and_nothing_where_it_is_quiet(here, capsys, compiles):
    assert main(["fit", "data.npy", "-k", "3"]) == 0
    assert capsys.readouterr().err.startswith(f"{READ}compiling the kernels for this machine\niteration 1/")
    assert main(["fit", "data.npy", "-k", "3", "--quiet"]) == 0
    assert capsys.readouterr() == ("", "")


def test_what_is_compiled_is_announced_and_what_is_loaded_is_not(here, tmp_path):
    column = np.ascontiguousarray(here[:, :1])  # of one feature: few kernels
    np.save("column.npy", column)
    kmeans_fast.KMeans(3, random_state=0).fit(column).save("model.npz")
    environment = {**os.environ, "PYTHONPATH": str(REPOSITORY), "KMEANS_FAST_CACHE_DIR": str(tmp_path / "kernels")}
    command = [sys.executable, "-m", "kmeans_fast", "predict", "model.npz", "column.npy"]
    read = "column.npy: 500 rows, 1 column\n"
    for expected in (f"{read}compiling the kernels for this machine\n", read):
        done = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=300, check=True)
        assert done.stderr == expected
        assert len(done.stdout.splitlines()) == 501


# ---- Ctrl-C --------------------------------------------------------------------------------------------------------


@pytest.fixture
def interrupt(monkeypatch):
    """Have Ctrl-C come so many `times` in an iteration of a run, or at the beginning of a phase."""

    def at(place, times=1):
        def interrupted(method):
            def wrapper(self, what):
                method(self, what)
                here = (what.run, what.iteration) if isinstance(what, kmeans_fast.Progress) else what
                for _ in range(times if here == place else 0):
                    signal.raise_signal(signal.SIGINT)

            return wrapper

        for name in ("phase", "iteration"):
            monkeypatch.setattr(progress.Lines, name, interrupted(getattr(progress.Lines, name)))

    assert signal.getsignal(signal.SIGINT) is signal.default_int_handler
    yield at
    assert signal.getsignal(signal.SIGINT) is signal.default_int_handler
    assert progress._shown == []


def test_the_first_ctrl_c_ends_the_fit_and_writes_what_there_is(here, capsys, interrupt):
    interrupt((0, 3))
    assert main(["fit", "data.npy", "-k", "9", "--tol", "0", "--json"]) == 130
    captured = capsys.readouterr()
    summary = json.loads(captured.out)
    model = kmeans_fast.KMeans(9, tol=0, max_iter=3, random_state=0).fit(here)
    assert (summary["n_iter"], summary["interrupted"], summary["converged"]) == (3, True, False)
    assert summary["inertia"] == model.inertia_
    assert np.array_equal(np.load("data.npy-labels.npy"), model.labels_)
    assert np.array_equal(kmeans_fast.load("data.npy-model.npz").cluster_centers_, model.cluster_centers_)
    assert captured.err.endswith("kmeans-fast: interrupted: the files hold what 3 iterations had reached\n")


def test_the_report_says_that_the_fit_was_interrupted(here, capsys, interrupt):
    interrupt((0, 2))
    assert main(["fit", "data.npy", "-k", "9", "--tol", "0"]) == 130
    captured = capsys.readouterr()
    assert "iterations  2 (interrupted)" in captured.out
    assert progress.ENDING not in captured.out


def test_of_several_runs_the_best_is_kept(here, capsys, interrupt):
    interrupt((2, 2))
    assert main(["fit", "data.npy", "-k", "9", "--tol", "0", "--n-init", "5", "--json"]) == 130
    summary = json.loads(capsys.readouterr().out)
    model = kmeans_fast.KMeans(9, tol=0, n_init=2, random_state=0).fit(here)
    assert summary["inertia"] <= model.inertia_


@pytest.mark.parametrize(
    ("place", "times"),
    [
        ((0, 2), 2),
        ("reading", 1),
        ("preparing", 1),
        ("choosing the first centroids", 1),
        ("summing up", 1),
        ("writing", 1),
    ],
)
def test_the_second_ctrl_c_or_one_outside_the_iterations_stops_at_once(here, capsys, tmp_path, interrupt, place, times):
    interrupt(place, times)
    assert main(["fit", "data.npy", "-k", "9", "--tol", "0"]) == 130
    captured = capsys.readouterr()
    assert captured.out == ""
    assert captured.err.endswith("kmeans-fast: interrupted\n")
    assert [path.name for path in tmp_path.iterdir()] == ["data.npy"]


@pytest.mark.skipif(sys.platform == "win32", reason="pseudo-terminals are POSIX")
def test_ctrl_c_on_a_terminal(here, tmp_path):
    pexpect = pytest.importorskip("pexpect")
    endless = ["-m", "kmeans_fast", "fit", "data.npy", "-k", "9", "--init", "random", "--n-init", "1000000000"]
    environment = {**os.environ, "PYTHONPATH": str(REPOSITORY), "TERM": "xterm"}
    # At an interrupt a terminal drops what it has not shown yet, be it half a character.
    decoding = {"encoding": "utf-8", "codec_errors": "replace"}
    process = pexpect.spawn(sys.executable, endless, env=environment, timeout=120, **decoding)
    process.expect("run 3[0-9]*/1000000000, iteration")
    process.sendintr()
    process.expect("interrupted; best of [0-9]+ runs")
    process.expect("kmeans-fast: interrupted: the files hold what [0-9]+ iterations? had reached\r\n")
    process.expect(pexpect.EOF)
    process.close()
    assert process.exitstatus == 130
    assert np.array_equal(kmeans_fast.load("data.npy-model.npz").predict(here), np.load("data.npy-labels.npy"))
    assert sorted(path.name for path in tmp_path.iterdir()) == sorted(["data.npy", *FILES])


def test_an_interrupt_that_is_ignored_or_handled_by_others_stays_so(here, capsys):
    for handler in (signal.SIG_IGN, lambda *_: None):
        before = signal.signal(signal.SIGINT, handler)
        try:
            with watch.Watch(quiet=True):
                assert signal.getsignal(signal.SIGINT) is handler
        finally:
            signal.signal(signal.SIGINT, before)
    outcome = []
    thread = threading.Thread(target=lambda: outcome.append(main(["fit", "data.npy", "-k", "3", "--quiet"])))
    thread.start()
    thread.join()
    assert outcome == [0]
