"""The masses of the rows of a part on a GPU, in buckets by hash. The host draws from the buckets of all parts."""

import numpy as np

from ...kernels.cuda import sources
from ..drawing import factors_of, located_in_part
from ..protocol import MassesState
from .device import allocate, upload
from .gathering import row_hashes


class CudaPartMasses:
    """See `kmeans_fast.backends.protocol.PartMasses` and `part_masses.cu`; `arrays` has what kernels take, by name."""

    def __init__(self, part, buckets, state=None):
        self.part, self.device, self.launcher, self.joined = part, part.device, part.launcher, 0
        n, what = part.n, f"seeding on {part.n:,} rows"
        allocated = {
            "buckets": (n, np.int32, None), "nearest": (n, np.float64, 1.0),
            "owner": (n, np.int32, 0), "masses": (buckets.count, np.int64, 0),
            "factors": (2, np.float64, 0.0), "gains": (sources.TRIALS, np.int64, None),
            "largest": (1, np.uint64, None), "count": (1, np.int64, None), "taken": (2, np.int64, None),
        }  # fmt: skip
        self.arrays = {
            name: allocate(self.device, size, dtype, what, fill) for name, (size, dtype, fill) in allocated.items()
        }
        self.arrays |= {"X": part.X, "weights": part.weights, "n": n, "d": part.d, "n_buckets": buckets.count}
        self.arrays |= {"of": None, "blocks_a_run": self.launcher.blocks(n)}
        self.tried = {}  # what kernels take of the candidates of the last trials
        splitters = upload(self.device, buckets.splitters, what) if len(buckets.splitters) else None
        hashes = row_hashes(part.launcher, part.X)
        split = {"bits": buckets.bits, "splitters": splitters, "n_splitters": len(buckets.splitters)}
        self._run("fill_hash_buckets", hashes=hashes, **split)
        if state is not None:
            self._resume(state)

    def _run(self, kernel, **others):
        """Launch a kernel with the arguments that `arrays`, or `others`, has for it."""
        arguments = self.arrays | others
        names = self.launcher.parameter_names("part_masses", kernel)
        self.launcher.run("part_masses", kernel, self.part.n, **{name: arguments[name] for name in names})

    def _cleared(self, name):
        self.device.fill(self.arrays[name], 0)
        return self.arrays[name]

    def largest(self):
        self._cleared("largest")
        self._run("largest_product")
        return float(self.device.download(self.arrays["largest"]).view(np.float64)[0])

    def fill(self, distance):
        self.device.fill(self.arrays["nearest"], distance)

    def measure_by(self, shift):
        """Measure masses by this power of two from now on."""
        self.device.write(self.arrays["factors"], np.array(factors_of(shift)))

    def masses_of_buckets(self):
        """The mass of each bucket, on the device."""
        self._run("add_masses", groups=self.arrays["buckets"], masses=self._cleared("masses"))
        return self.arrays["masses"]

    def weigh(self, shift):
        self.measure_by(shift)
        return self.device.download(self.masses_of_buckets())

    # ---- draws -----------------------------------------------------------------------------------------------------

    def rows_in(self, wanted):
        what = "rows to draw from"
        select = {
            "wanted": upload(self.device, wanted.astype(np.int32), what), "rows": None, "row_hashes": None,
            "row_masses": None,
        }  # fmt: skip
        select["hashes"] = row_hashes(self.launcher, self.part.X)
        count = self._counted(select)
        for name, dtype in (("rows", np.int64), ("row_hashes", np.uint64), ("row_masses", np.int64)):
            select[name] = allocate(self.device, count, dtype, what)
        self._counted(select)
        rows, hashes, masses = (self.device.download(select[name]) for name in ("rows", "row_hashes", "row_masses"))
        order = np.argsort(rows)
        return rows[order], hashes[order], masses[order]

    def _counted(self, select):
        self._cleared("count")
        self._run("rows_in_buckets", **select)
        return int(self.device.download(self.arrays["count"])[0])

    def draw(self, targets, of_buckets):
        return located_in_part(targets, of_buckets, self, self.part)

    # ---- seeds -----------------------------------------------------------------------------------------------------

    def begin(self, candidate):
        self.part.measure_to(candidate, self.arrays["nearest"])

    def trials(self, candidates):
        given = upload(self.device, np.ascontiguousarray(candidates, self.part.dtype), "candidates for seeds")
        self.tried = {"given": given, "candidates": None, "n_trials": len(candidates)}
        self._cleared("gains")
        if "marks" not in self.arrays:
            self.arrays["marks"] = allocate(self.device, self.part.n, np.uint16, "candidates for seeds")
        self._run("trials", **self.tried)
        return self.device.download(self.arrays["gains"])[: len(candidates)]

    def accept(self, trial, of_buckets):
        self._cleared("masses")  # for what they gain
        of_seeds = {"total": None, "seeds": None, "k": 0, "n_seeds": None, "done": None}
        self._run("accept", chosen=trial, **of_seeds, **self.tried)
        of_buckets += self.device.download(self.arrays["masses"])

    def exclude(self, number, of_buckets):
        self._run("take_row", row=number)
        bucket, mass = self.device.download(self.arrays["taken"]).tolist()
        of_buckets[bucket] -= mass
        return mass

    def join(self, candidates):
        among = self.part.for_clusters(len(candidates))
        distances = among.distances_after_assigning(candidates)
        self._run("join", distances=distances, labels=among.device_labels, before=self.joined)
        self.joined += len(candidates)

    def shares(self, count):
        shares = allocate(self.device, count, np.int64, "candidates for seeds", fill=0)
        self._run("add_masses", groups=self.arrays["owner"], masses=shares)
        return self.device.download(shares)

    # ---- rows that are opened anew ---------------------------------------------------------------------------------

    def state(self):
        owner = self.device.download(self.arrays["owner"]) if self.joined else None
        nearest = self.device.download(self.arrays["nearest"])
        return MassesState(nearest, owner, self.joined, None)  # beside bringing the rows here hashing is nothing

    def _resume(self, state):
        self.device.write(self.arrays["nearest"], state.nearest)
        if state.owner is not None:
            self.device.write(self.arrays["owner"], state.owner)
        self.joined = state.joined
