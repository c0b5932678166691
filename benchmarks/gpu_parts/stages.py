"""The stages of `first_light.py`, from the first call to the device to a whole fit."""

import functools
import sys
import time
from collections.abc import Callable
from typing import NamedTuple

import numpy as np
from common import data, machine, processes, stands
from common.cells import sized
from common.jobs import Context
from common.timing import guarded

from kmeans_fast.backends.cuda.device import Launcher, allocate, upload

from . import ceilings, cells, check, instruction_rates, ours, sanitized

ITERATIONS, RUNS = 8, 2  # after the first, of a cell
SEEDED = (1_000_000, 128, 1024)  # where the ways to seed are timed


class Stage(NamedTuple):
    run: Callable  # run(journal, simulate) gives an exit status
    seconds: int  # that it may take
    needed: bool = False  # whether the others wait for it to succeed


# ---- facts ---------------------------------------------------------------------------------------------------------


def _facts(journal, simulate):
    from kmeans_fast.kernels.cuda import compiler

    from kmeans_fast.backends.cuda.availability import missing

    journal.step("versions", lambda: {**machine.versions(machine.ON_GPU), "python": sys.version})
    journal.step("nvidia-smi", machine.gpu)
    journal.step("NVRTC", lambda: [compiler.version(), *compiler._target(90)])
    if not simulate:
        journal.step("what is missing", missing)
    return 0 if journal.step("device", lambda: stands.device(simulate).facts()) else 1


# ---- smoke ---------------------------------------------------------------------------------------------------------


def _smoke(journal, simulate):
    """Each thing that the backend asks of a device, the smallest first; then every kernel, against the reference.

    Ends with the first that fails.
    """
    found = {}

    def opened():
        found["device"], found["launched"] = sanitized.device("cuda-sim" if simulate else "cuda", pooled=True)
        return found["device"].properties._asdict()

    cases = sanitized.CASES[:3] if simulate else sanitized.CASES
    steps = {**_PRIMITIVES, **{str(case): functools.partial(sanitized.checked, case) for case in cases}}
    well = journal.step("device", opened)
    # `all` stops at the first that fails.
    if not well or not all(journal.step(name, step, found["device"]) for name, step in steps.items()):
        return 1
    journal.note("", "kernels that ran", found=sorted(found["launched"]))
    return 0


def _filled(device):
    wanted = ((np.float32, -np.inf), (np.float64, 1.0), (np.int32, -1), (np.int64, 0), (np.uint64, 2**64 - 1))
    for dtype, value in wanted:
        got = device.download(allocate(device, 3, dtype, "a test", fill=value))
        np.testing.assert_array_equal(got, np.full(3, value, dtype))


def _copied(device):
    values = np.arange(12, dtype=np.int64).reshape(3, 4)
    np.testing.assert_array_equal(device.download(upload(device, values, "a test")), values)


def _reported(device):
    """A kernel writes to the host's memory."""
    report = device.report(3, np.int64)
    report.array[:] = 1, 2, 3
    halted = allocate(device, 1, np.int32, "a test", fill=0)
    Launcher(device, np.float32).prepare(
        "centroids", "clear", 1, cells=report.array, size=2, counts=None, k=0, halted=halted
    )()
    report.record()
    np.testing.assert_array_equal(report.read(), [0, 0, 3])


def _launched(device):
    cells_, counts = (upload(device, np.arange(5, dtype=np.int64), "a test") for _ in range(2))
    halted = allocate(device, 1, np.int32, "a test", fill=0)
    launch = Launcher(device, np.float32).prepare(
        "centroids", "clear", 1, cells=cells_, size=4, counts=counts, k=2, halted=halted
    )
    launch()
    np.testing.assert_array_equal(device.download(cells_), [0, 0, 0, 0, 4])
    np.testing.assert_array_equal(device.download(counts), [0, 0, 2, 3, 4])


def _sorted(device):
    for keys in (np.array([5, 2, 2**63, 2, 0, 2**64 - 1], np.uint64), np.array([0.5, 0.0, 3.0, 0.5, -0.0, 1e-300])):
        order = device.download(device.argsort(upload(device, keys, "a test")))
        np.testing.assert_array_equal(order, np.argsort(keys, kind="stable"))


_PRIMITIVES = {
    "memory is filled": _filled, "copies": _copied, "a launch": _launched, "a report": _reported,
    "a stable sort": _sorted,
}  # fmt: skip


# ---- contract and sanitizers ---------------------------------------------------------------------------------------


def _contract(journal, simulate):
    backend, folders = ("cuda-sim", [check.TRIED]) if simulate else ("cuda", ["tests/contract"])
    return _program(journal, "contract", "suite", check.suite_command(folders, backend, single=simulate))


def _program(journal, stage, step, command):
    """Run a program as long as its stage may take."""
    found = processes.finished(command, STAGES[stage].seconds - 4)
    journal.note("", step, **found)
    return 0 if found["exit_status"] == 0 else 1


def _sanitizer(tool, journal, simulate):
    command = check.sanitizer_command(tool, "cuda")
    if simulate or command is None:
        journal.note("", tool, skipped="it needs a GPU" if simulate else "compute-sanitizer was not found")
        return 0
    return _program(journal, tool, tool, command)


# ---- rates ---------------------------------------------------------------------------------------------------------


def _rates(journal, simulate):
    stand = stands.device(simulate)
    context = Context(10.0, 20.0, dry_run=simulate)
    well = [journal.step(unit, ceilings.run, unit, stand, context) for unit in (ceilings.COPY, ceilings.ATOMICS)]
    if simulate:
        journal.note("", "instructions", skipped="they need a GPU")
    else:
        multiprocessors = stand.facts()["multiProcessorCount"]
        for kernel in instruction_rates.OPERATIONS:
            well.append(journal.step(kernel, instruction_rates.measured, stand, kernel, multiprocessors))
    return 0 if all(well) else 1


# ---- cells ---------------------------------------------------------------------------------------------------------


def _cells(journal, simulate):
    """Ours alone, the quickest cells first: iterations and every kernel's share."""
    stand, well = stands.device(simulate), True
    grid = sorted(cells.GRID, key=lambda cell: np.prod(cell[:3], dtype=float))
    with stand.forced():
        for cell in grid[:3] if simulate else grid:
            n, d, k = sized(cell, simulate)[:3]
            X = data.blobs(stand.xp, n, d, k)
            start = stand.host(X[stand.xp.asarray(data.start_rows(n, k))])
            well &= journal.step(cell.key, _cell, stand, X, start)
            if (n, d, k) == SEEDED or simulate:
                well &= journal.step(f"{cell.key}, ways to seed", _seedings, stand, X, k)
            del X
            stand.release()
            if not stand.healthy():
                return 1
    return 0 if well else 1


def _cell(stand, X, start):
    contender = ours.Ours()
    contender.load(stand)
    contender.open(stand, X, len(start))
    contender.iterate(start, 2)  # compiles
    runs = [contender.iterate(start, 1 + ITERATIONS) for _ in range(RUNS)]
    found = {"kernels": vars(contender.session.scorer), "ms": ours.steady(runs)}
    found |= {name: runs[-1][name][-1] for name in ("changed", "scored", "rechecked", "path")}
    found["phases"] = guarded(stand, contender.phases, start, ITERATIONS // 2)[0]
    contender.close()
    return found


def _seedings(stand, X, k):
    """Seconds of fits of two iterations from each kind of seeds, and those of the iterations alone."""
    import kmeans_fast

    found = {}
    for init in ("k-means++", "k-means||", "random"):
        for size in ("auto", None) if init == "k-means++" else (None,):
            started = time.perf_counter()
            fit = kmeans_fast.kmeans(X, k, init=init, init_size=size, seed=0, max_iter=2, tol=0.0)
            whole = time.perf_counter() - started
            iterating = sum(one.seconds for one in fit.history)
            found[f"{init}, init_size={size}"] = {"seconds": whole, "iterating": iterating}
    return found


# ---- torch ---------------------------------------------------------------------------------------------------------


def _torch(journal, simulate):
    """Data of PyTorch, made on a stream of its own: only a GPU shows whether we wait for it."""
    if simulate:
        journal.note("", "a side stream", skipped="it needs a GPU")
        return 0
    return 0 if journal.step("a side stream", _on_a_side_stream) else 1


def _on_a_side_stream():
    import torch

    import kmeans_fast
    from kmeans_fast import reference

    X = np.random.default_rng(0).normal(size=(4000, 24)).astype(np.float32)
    expected = reference.lloyd(X, None, X[reference.kmeans_plusplus(X, None, 20, 3)], 5, 0.0)
    side = torch.cuda.Stream()
    with torch.cuda.stream(side):
        there = torch.zeros((4000, 24), device="cuda")
        for _ in range(200):  # so that the data comes late
            there = there + 1
        there = there * 0 + torch.from_numpy(X).to("cuda", non_blocking=True)
        found = kmeans_fast.kmeans(there, 20, seed=3, max_iter=5, tol=0.0)
    assert found.backend == "cuda", found.backend
    assert found.labels.device == there.device, found.labels.device
    np.testing.assert_array_equal(found.labels.cpu().numpy(), expected.labels)
    assert found.inertia == expected.inertia, (found.inertia, expected.inertia)
    return str(type(found.labels))


STAGES = {
    "facts": Stage(_facts, 20),
    "smoke": Stage(_smoke, 50, needed=True),
    "contract": Stage(_contract, 60),
    "rates": Stage(_rates, 25),
    "cells": Stage(_cells, 50),
    "torch": Stage(_torch, 25),
    "memcheck": Stage(functools.partial(_sanitizer, "memcheck"), 62),
    "racecheck": Stage(functools.partial(_sanitizer, "racecheck"), 62),
}
