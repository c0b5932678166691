"""Where a fit stands, in a file: one that was interrupted goes on from there, to the same bits.

The file holds the seeds of the run, the centroids after its last iteration and before it, the best run so far, the
history, and what the fit is of: its parameters, and a digest of the data. It holds no labels, since those follow from
centroids: one pass brings back the labels that the last iteration left. It is an .npz archive with a JSON header, and
appears whole or not at all.
"""

import contextlib
import json
import os
import time
import zlib

import numpy as np

from ..archives import read_arrays, write_arrays
from ..messages import warn
from ..whole_files import WholeFiles, check_writable
from .history import Progress
from .lloyd import Reached, Run

_FORMAT = "kmeans_fast checkpoint 1"
_FIELDS = {"format", "of", "run", "seconds", "history", "best", "stages", "stage_history"}
_SHARE = 0.01  # of the time, at most, goes into writing
_FIRST = 0.02  # seconds that the first writing is taken to last


def seed_in(path):
    """The seed of the fit that a checkpoint is of; None where there is no path or no file."""
    return _read(path)[0]["of"]["seed"] if path is not None and os.path.exists(path) else None


def identity(data, session, **parameters):
    """What a fit is of, by name: its parameters as JSON has them, and the data.

    The digest of the rows and their weights is a sum over hashes, so that it depends neither on their order nor on how
    they are cut.
    """
    init, rule = parameters["init"], parameters["rule"]
    if callable(init):
        init = "a callable"
    elif not isinstance(init, str):
        init = f"an array with the checksum {zlib.crc32(np.ascontiguousarray(init)):08x}"
    return {
        **parameters,
        "init": init,
        "rule": rule.__qualname__,
        "n_samples": data.n_samples,
        "n_features": data.n_features,
        "dtype": data.dtype.name,
        "the digest of X and sample_weight": f"{session.digest():016x}",
    }


class Keeper:
    """Keeps a checkpoint of a fit, and knows what is in the one that the fit goes on from.

    It is written as often as costs at most 1 % of the time, when a fit ends and when its callback ends it. That it
    cannot be written is warned of and does not end a fit.

    Parameters
    ----------
    path : path-like
    of : dict
        As `identity` gives it.
    resume : bool
        Whether to go on from the file at `path`. Where there is none the fit begins at the beginning.
    events : kmeans_fast.engine.events.Events
        Which go on counting from the seconds in the file.

    Attributes
    ----------
    run : int
        Runs that are over.
    best : kmeans_fast.engine.lloyd.Run or None
        The best of them, without labels.
    history : list of Progress
        Of all of them.

    Raises
    ------
    ValueError
        If there is a file and it is no checkpoint, or one of other data or parameters; these are named.
    OSError
        If one may not write at `path`.
    """

    def __init__(self, path, of, resume, events):
        self.path, self.of, self.events = path, of, events
        self.run, self.best, self.history = 0, None, []
        self.start, self.stages, self.latest = None, [], None  # of the run that is not over
        if resume and os.path.exists(path):
            self._go_on()
        check_writable(path)
        self.last, self.cost = time.perf_counter(), _FIRST

    # ---- what is known ---------------------------------------------------------------------------------------------

    def start_of(self, run):
        """The centroids that a run began with; None if it has not begun."""
        return self.start if run == self.run else None

    def over(self, stage, start):
        """The `Run` that a stage of this run came to from `start`, without labels; None if it is not over."""
        return self._fitting(self.stages[stage], start) if stage < len(self.stages) else None

    def reached(self, stage, start):
        """How far a stage of this run has come from `start`; None if it has not begun."""
        return self._fitting(self.latest, start) if stage == len(self.stages) else None

    def _fitting(self, known, start):
        if known is not None and known.centroids.shape != start.shape:
            with _told_of(self.path):
                raise ValueError(f"centroids must have the shape {start.shape}, got {known.centroids.shape}")
        return known

    # ---- what is new -----------------------------------------------------------------------------------------------

    def began(self, start):
        """The next run has its seeds."""
        self.start = start
        self._write()

    def iterated(self, reached, must):
        """An iteration is over. It is kept now if it `must`, or else when it is time."""
        self.latest = reached
        self._write(must)

    def ended(self, found):
        """A stage of the run is over."""
        self.stages.append(found._replace(labels=None))
        self.latest = None
        self._write(found.stopped)

    def ran(self, best, history, last):
        """A run is over; whether it was the `last`. `best` is the best of all so far, `history` that of all."""
        self.run, self.best, self.history = self.run + 1, best._replace(labels=None), list(history)
        self.start, self.stages, self.latest = None, [], None
        self._write(last)

    # ---- the file --------------------------------------------------------------------------------------------------

    def _write(self, must=False):
        began = time.perf_counter()
        if not must and (began - self.last) * _SHARE < self.cost:
            return
        try:
            with WholeFiles() as files:
                write_arrays(files.open(self.path), self._arrays())
        except OSError as error:
            warn(
                f"The checkpoint {os.fspath(self.path)} could not be written: {error}. The fit goes on; an earlier "
                "checkpoint is as it was.",
                RuntimeWarning,
            )
        self.last = time.perf_counter()
        self.cost = self.last - began

    def _arrays(self):
        latest = [] if self.latest is None else self.latest.history
        header = {
            "format": _FORMAT,
            "of": self.of,
            "run": self.run,
            "seconds": self.events.so_far(),
            "history": self.history,
            "best": None if self.best is None else _numbers(self.best),
            "stages": [[len(stage.centroids), *_numbers(stage), stage.history] for stage in self.stages],
            "stage_history": latest,
        }
        text = json.dumps(header, default=lambda number: number.item()).encode()
        arrays = {"header": np.frombuffer(text, np.uint8)}
        if self.best is not None:
            arrays["best"] = self.best.centroids
        if self.start is not None:
            arrays["start"] = self.start
        if self.stages:
            arrays["stages"] = np.concatenate([stage.centroids for stage in self.stages])
        if self.latest is not None:
            arrays["centroids"], arrays["before"] = self.latest.centroids, self.latest.before
        return arrays

    def _go_on(self):
        """Take over what is in the file."""
        header, arrays = _read(self.path)
        differing = [
            f"{name} was {header['of'].get(name)!r} and is {value!r}"
            for name, value in self.of.items()
            if header["of"].get(name) != value
        ]
        if differing:
            raise ValueError(
                f"The checkpoint {os.fspath(self.path)} is of another fit: {'; '.join(differing)}. Give what was given "
                "then, or resume=False, which begins anew and replaces it."
            )
        with _told_of(self.path):
            self.run, self.history = header["run"], _history(header["history"])
            self.events.go_on(header["seconds"])
            if header["best"] is not None:
                self.best = _run(arrays["best"], *header["best"], [])
            self.start = arrays.get("start")
            ends = np.cumsum([0, *(stage[0] for stage in header["stages"])])
            for at, (rows, *numbers, history) in enumerate(header["stages"]):
                centroids = arrays["stages"][ends[at] : ends[at] + rows]
                self.stages.append(_run(np.ascontiguousarray(centroids), *numbers, _history(history)))
            if "centroids" in arrays:
                history = _history(header["stage_history"])
                self.latest = Reached(arrays["centroids"], arrays["before"], history)


def _numbers(run):
    return [run.inertia, run.n_used, run.n_iter]


def _run(centroids, inertia, n_used, n_iter, history):
    return Run(centroids, None, inertia, n_used, n_iter, history, False)


def _history(rows):
    if not all(isinstance(value, (int, float, str)) for row in rows for value in row):
        raise ValueError("its history must be of numbers and words")
    return [Progress(*row) for row in rows]


@contextlib.contextmanager
def _told_of(path):
    """What goes wrong in the block, whatever it is, is said of the file."""
    try:
        yield
    except MemoryError:
        raise
    except Exception as error:  # damaged bytes make zipfile, NumPy and json raise whatever they like
        reason = str(error).rstrip(".") or type(error).__name__
        raise ValueError(f"{os.fspath(path)} is not a sound checkpoint: {reason}.") from error


def _read(path):
    """Header and arrays of a checkpoint, which fit each other."""
    with open(path, "rb") as file, _told_of(path):
        arrays = read_arrays(file, os.fstat(file.fileno()).st_size)
        header = json.loads(arrays.pop("header").tobytes().decode())
        if not isinstance(header, dict) or header.get("format") != _FORMAT or set(header) != _FIELDS:
            raise ValueError(f"it has not the format {_FORMAT!r}")
        of, rows = header["of"], sum(stage[0] for stage in header["stages"])
        sizes = dict.fromkeys(("best", "start"), of["n_clusters"]) | {"stages": rows}
        for name, array in arrays.items():
            wanted = (sizes.get(name, len(array)), of["n_features"])
            if array.shape != wanted or array.dtype != of["dtype"] or not np.isfinite(array).all():
                raise ValueError(f"{name} must be {wanted} finite {of['dtype']}, got {array.shape} {array.dtype}")
        run, n_init = header["run"], of["n_init"]
        if run not in range(n_init + 1) or (run == 0) != (header["best"] is None):
            raise ValueError(f"its run must be one of {n_init}, with the best of those before, got {run!r}")
        if type(of["seed"]) is not int or not 0 <= of["seed"] < 2**64:
            raise ValueError(f"its seed must be a whole number from 0 to 2**64 - 1, got {of['seed']!r}")
        if bool(header["stage_history"]) != ("centroids" in arrays):
            raise ValueError("it must have the history of just the run whose centroids it has")
        told = [*(stage[1:4] for stage in header["stages"]), *([header["best"]] if header["best"] else [])]
        if not all(len(numbers) == 3 and np.isfinite(numbers).all() for numbers in told):
            raise ValueError(f"the numbers of its runs must be finite, got {told}")
        if len(header["stage_history"]) >= of["max_iter"]:
            raise ValueError(f"it must have fewer than {of['max_iter']} iterations of a run that is not over")
        if arrays.get("centroids", np.empty(0)).shape != arrays.get("before", np.empty(0)).shape:
            raise ValueError("it must have centroids of two iterations")
    return header, arrays
