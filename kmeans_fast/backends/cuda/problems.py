"""Data sets of the same sizes opened together on a GPU: whole runs in few launches (`runs.cu`)."""

import numpy as np

from ...kernels.cuda import sources
from ..partials import Form, Ranges, float_of
from ..together import Outcome
from . import column_statistics
from .device import Launcher, allocate, upload
from .gathering import seen
from .runs import PATH, SEEDED_ROWS, layout
from .scorers.frame import frame
from .seeder import CudaSeeds

_MODULES = ("column_statistics", "rows", "distances", "seeding")
_STATE, _NUMBERS, _BINS = 3, 5, sources.BINS  # of a run, and of an iteration (`runs.cu`)
_HALTED = 2
_SAMPLED, _LEAST_SAMPLE = 1024, 32  # rows for the frames: of all problems, and of each


class CudaProblems:
    """See `kmeans_fast.backends.together.Problems`.

    Parameters
    ----------
    device : Device
    X : (problems, n_samples, n_features) array
    weights : (problems, n_samples) float64 array or None
    n_clusters : int
    runs : int, optional
        That will be made, which their code is compiled for; by default one of each problem.
    on_host : bool
        Whether the caller's arrays are there, and so labels have to be.
    """

    def __init__(self, device, X, weights, n_clusters, *, runs=None, on_host):
        self.device, self.k, self.on_host = device, n_clusters, on_host
        self.count, self.n, self.d = X.shape
        self.launcher = Launcher(device, X.dtype)
        self.dtype, self.weighted = self.launcher.dtype, weights is not None
        self.X = upload(device, X, "the data") if on_host else X
        self.weights = upload(device, weights, "the weights") if on_host and self.weighted else weights
        modules = [sources.module(name, self.launcher.stored) for name in _MODULES]
        modules.append(sources.module("runs", self.launcher.stored, **self._layout(runs or self.count).choices))
        device.compile(modules)  # all at once
        self._open()

    def _layout(self, runs):
        return layout(self.n, self.d, self.k, runs, self.device.properties)

    def _open(self):
        """Find what scores, sums and inertias of each problem take: a launch for all problems each."""
        launcher, X, n = self.launcher, self.X, self.n
        ranges = _flat(column_statistics.column_ranges(launcher, X, self.weights))
        plain = _flat(column_statistics.column_ranges(launcher, X, None)) if self.weighted else ranges
        limbs, form = column_statistics.Limbs.of(plain, n), Form.of(plain, n)
        sums = limbs.in_form(form, column_statistics.column_sums(launcher, X, limbs))
        means = (form.rounded(sums) / n).reshape(self.count, self.d)
        center = upload(self.device, means, "the means")
        scatters = self._scatters(None, center)
        self.variances = scatters / (n * self.d)
        if self.weighted:
            scatters = self._scatters(self.weights, center)
        frames = [frame(rows) for rows in self._samples()]
        numbers = [(found.scale, found.gamma, found.zeta, *found.margin) for found in frames]
        self.limbs = column_statistics.Limbs.of(ranges, n)
        arrays = {
            "shift": np.array([found.shift for found in frames]), "frames": np.array(numbers, np.float64),
            "unit": self.limbs.exponent.astype(np.int32), "scatter": scatters,
        }  # fmt: skip
        self.problems = {name: upload(self.device, array, "the problems") for name, array in arrays.items()}
        self.problems["center"] = center

    def _scatters(self, weights, center):
        return np.array([float_of(total) for total in column_statistics.exact_scatters(
            self.launcher, self.X, weights, center
        )])  # fmt: skip

    def _samples(self):
        """Some rows of each problem, evenly spread, on the host."""
        rows = np.arange(0, self.n, -(-self.n // max(_LEAST_SAMPLE, _SAMPLED // self.count)))
        numbers = np.arange(self.count)[:, None] * self.n + rows
        return seen(self.launcher, self.X.reshape(-1, self.d), numbers.ravel()).reshape(self.count, len(rows), self.d)

    def mean_variances(self):
        return self.variances

    def seeds(self, words, of):
        together = max(1, SEEDED_ROWS // self.n)  # runs
        X, weights = self.X.reshape(-1, self.d), self.weights.reshape(-1) if self.weighted else None
        found = []
        for first in range(0, len(of), together):
            runs = slice(first, first + together)
            seeds = CudaSeeds(self.launcher, X, weights, self.n, of[runs], words[runs])
            seeds.greedy()
            found.append(seeds.chosen())
            del seeds  # its memory is for the next
        return np.concatenate(found)

    def rows(self, numbers, of):
        places = (of[:, None] * self.n + numbers).ravel()
        return seen(self.launcher, self.X.reshape(-1, self.d), places).reshape(*numbers.shape, self.d)

    # ---- Lloyd -----------------------------------------------------------------------------------------------------

    def lloyd(self, centroids, thresholds, of, max_iter, record):
        plan = self._layout(len(of))
        labels = allocate(self.device, (len(of), self.n), np.int32, "labels")
        found, told = [], []
        for first in range(0, len(of), plan.most):
            runs = slice(first, first + plan.most)
            group = Group(self, plan, centroids[runs], thresholds[runs], of[runs], labels[runs])
            group.run(max_iter, record)
            found.append(group.outcome())
            told.append(group.told)
        centroids, inertia, n_used, n_iter, halted = (np.concatenate(parts) for parts in zip(*found))
        return Outcome(
            centroids, self.device.download(labels) if self.on_host else labels, inertia, n_used, n_iter, halted,
            PATH, _joined(told) if record else None,
        )  # fmt: skip


def _flat(ranges):
    """Ranges of the columns of all problems, one after the other."""
    return Ranges(*(values.ravel() for values in ranges))


class Group:
    """Runs that are launched together."""

    def __init__(self, problems, plan, centroids, thresholds, of, labels):
        self.problems, self.plan, self.runs = problems, plan, len(of)
        device, k, d, runs = problems.device, problems.k, problems.d, len(of)
        limbs = problems.limbs
        padded, columns = -(-k // plan.panel) * plan.panel, d + problems.weighted

        def empty(*shape, dtype=np.float64, fill=None):
            return allocate(device, shape, dtype, f"{runs:,} runs", fill)

        self.centroids = upload(device, centroids.astype(np.float64), "centroids")
        self.states = empty(runs, _STATE, dtype=np.int32)
        self.results = empty(runs, 2)
        self.told = np.empty((runs, 0, _NUMBERS))
        self.arguments = problems.problems | {
            "X": problems.X, "weights": problems.weights, "n": problems.n, "d": d, "k": k,
            "norms": empty(runs, problems.n, dtype=np.float32),
            "limbs": limbs.n_limbs, "limb_bits": limbs.bits, "of": upload(device, of.astype(np.int32), "runs"),
            "thresholds": upload(device, thresholds, "thresholds"), "team_blocks": plan.blocks, "held": plan.held,
            "centroids": self.centroids, "panels": empty(runs, padded * d, dtype=np.float32),
            "half_norms": empty(runs, padded, dtype=np.float32), "labels": labels,
            "cells": empty(runs, k * limbs.n_limbs * columns, dtype=np.int64),
            "counts": empty(runs, k, dtype=np.int64), "shifts": empty(runs, k), "differences": empty(runs, k),
            "tally": empty(runs, 3, dtype=np.uint64), "counters": empty(runs, 2, 7, dtype=np.int64),
            "status": empty(runs, 7), "states": self.states,
            "arrived": empty(runs, dtype=np.uint64, fill=0),
            "bins": empty(runs, _BINS, dtype=np.int64) if plan.blocks > 1 else None, "results": self.results,
        }  # fmt: skip

    def run(self, max_iter, record):
        """Launch until all have ended."""
        device, plan = self.problems.device, self.plan
        iterations = min(max_iter + 1, plan.iterations(self.runs))
        told = allocate(device, (self.runs, iterations, _NUMBERS), np.float64, "iterations") if record else None
        begin = True
        while begin or not self.state[:, 1].all():
            self.problems.launcher.prepare(
                "runs", "lloyd_runs", self.runs * plan.blocks, shared_bytes=plan.shared_bytes,
                cooperative=plan.blocks > 1, choices=plan.choices,
                **self.arguments, max_iter=max_iter, begin=begin, iterations=iterations, told=told,
            )()  # fmt: skip
            self.state, begin = device.download(self.states), False
            if record:
                found = device.download(told)
                found[:, :, 2] = np.maximum(found[:, :, 2], 0.0)  # inertias, from differences
                self.told = np.concatenate([self.told, found], axis=1)

    def outcome(self):
        """What the runs came to: arrays as of an `Outcome`, without the labels."""
        device = self.problems.device
        inertia, n_used = device.download(self.results).T
        halted = self.state[:, 1] == _HALTED
        centroids = device.download(self.centroids).astype(self.problems.dtype)
        n_used, n_iter = np.where(halted, 0, n_used).astype(np.int64), self.state[:, 0].astype(np.int64)
        return centroids, np.where(halted, 0.0, inertia), n_used, n_iter, halted


def _joined(told):
    """Iterations of all groups of runs; what is beyond the longest of a group means nothing."""
    most = max(part.shape[1] for part in told)
    out = np.zeros((sum(len(part) for part in told), most, _NUMBERS))
    first = 0
    for part in told:
        out[first : first + len(part), : part.shape[1]] = part
        first += len(part)
    return out
