"""Scores in bytes on tensor cores, before distances (`byte_codes.cu`, `byte_filter.cu`, `byte_candidates.cu`).

Or in halves, where `operands.py` says so.
"""

import numpy as np

from ....kernels import byte_scores
from ....kernels.cuda import sources
from ..device import allocate
from ..gathering import sample
from .operands import operand_for
from .panels import PanelScorer, PanelScoring
from .sums_in_shared_memory import SYSTEM_SHARED

LEAST_CAPABILITY = (8, 0)
MOST_FEATURES = 1 << 16  # sums of products fit 32 bits
_PRODUCT = 32  # bytes of a row that a product takes
_STAGE_PRODUCTS = 8  # of a panel in shared memory at a time, where a row does not fit registers
_RESIDENT = {0: 1, 1: 2, 2: 2, 4: 2, 8: 1}  # blocks that a multiprocessor has registers for, by products of a row
_WARPS = sources.THREADS // 32
_ROWS = 32  # of a warp
_SAMPLING = 2  # blocks of `likely_centroids` that run at once on a multiprocessor
_FEW_CENTROIDS = 32  # below, most of a panel is padding
_FEW_PRODUCTS = 2e8  # n d k below which kernels are over as soon as they have begun
# Centroids that are sampled, about, and with many features half of all. Estimates, to be measured: a further one takes
# as long as it saves of closer looks, or of rows in float32 that have too many candidates without it; those have been
# counted (benchmarks/results/candidates-and-tiles.md).
_SAMPLED = 1024
_MANY_FEATURES = 128
_SCANNED_A_BLOCK = 4  # rows with too many candidates up to which a block scores one against all, not tiles
_MOST_OVERFLOWED = 0.4  # the share of all rows left to float32 from which on bytes do not pay
# See `hamerly.BoundsPolicy`. On an H100 an iteration with bounds that left 97 % of the rows took up to 1.9 times as
# long as one without: scores cost less than to read bounds, and rows that are not neighbours take longer to load.
_BOUNDS_PAY = (0.01, 0.4)


def products_of(width):
    """What `byte_filter` is compiled for where a row's codes have `width` bytes, and the products that a row takes."""
    ksteps = next((size for size in sources.KSTEPS if size * _PRODUCT >= width), 0)
    return ksteps, ksteps or -(-width // _PRODUCT)


def most_candidates(width):
    """How many candidates `byte_filter` leaves a row."""
    return sources.MOST_CANDIDATES[products_of(width)[0] > 0]


def bytes_a_row(width):
    """Memory that a row takes beside what `panels` has for it."""
    return 2 * _PRODUCT * products_of(width)[1] + 16 + 4 + 4 + 4 * (1 + most_candidates(width)) + 4


def warps_bytes(width):
    """Shared memory that the warps of a block have for their rows (`WarpRows`)."""
    most, queued = most_candidates(width), 32 + 2 * 32
    listed = most + most // 2
    return _WARPS * (36 * queued + _ROWS * (8 * listed + 32 + 16 + 8 + 4 * 6))


def stage_bytes(width, panel):
    """Shared memory of a panel, or of what is there of it at a time."""
    return panel * ((products_of(width)[0] or _STAGE_PRODUCTS) * _PRODUCT + 8)


class ByteScorer(PanelScorer):
    """See `protocol.Scorer`. Rows of too many candidates are scored as the base class does."""

    name = "bytes"

    def __init__(self, sizes, properties):
        super().__init__(sizes, properties)
        n, d, k = sizes[:3]
        self.operand = operand_for(d, properties)
        # Where rows have no labels, a sample of the centroids gives them their first floors.
        self.ways = self.operand.name, f"{self.operand.name}, sampled"
        width = d * self.operand.size
        self.ksteps, self.products = products_of(width)
        self.levels = self.operand.levels(self.ksteps)
        self.most = most_candidates(width)
        narrow, wide = sources.BYTE_PANELS
        resident, panels = _RESIDENT[self.ksteps], -(-k // narrow)
        if _room(width, properties, resident) < 2 * stage_bytes(width, narrow):
            resident = 1
        room = _room(width, properties, resident)
        # All panels stay in shared memory if they can. Else they are wide: each is waited for.
        self.all_resident = self.ksteps > 0 and panels * stage_bytes(width, narrow) <= room
        narrowly = self.all_resident or panels == 1 or 2 * stage_bytes(width, wide) > room
        narrowly = narrowly or {**self._choices, "PANEL": wide} in sources.NEVER
        self.byte_panel = narrow if narrowly else wide
        self.panels = -(-k // self.byte_panel)
        places = self.panels if self.all_resident else 2
        self.shared = places * stage_bytes(width, self.byte_panel) + warps_bytes(width)
        at_once, tiles = resident * properties.multiprocessors, max(1, -(-n // _ROWS))
        self.used_warps = min(-(-tiles // at_once), _WARPS)
        self.byte_blocks = min(-(-tiles // self.used_warps), at_once)
        self.sampled = max(1, k // _SAMPLED if d <= _MANY_FEATURES else min(2, k // _SAMPLED))  # of so many, one
        self.sample_blocks = max(1, min(-(-n // (_ROWS * _WARPS)), _SAMPLING * properties.multiprocessors))
        # An estimate: float32 takes 0.05 ps longer than bytes for a feature of a pair; to read X and write the bytes of
        # it takes 3 ps a feature, and what comes of the candidates 200 ps a row.
        self.pays_once = (k - 64) * d >= 4096
        self.row_bytes += bytes_a_row(width)
        self.path = "scores in bytes on tensor cores, then distances to the few centroids that they leave"
        self.notes = ("rows of many candidates are scored in float32", *self.notes)

    @staticmethod
    def objection(sizes, properties):
        n, d = sizes[:2]
        if properties.capability < LEAST_CAPABILITY:
            return f"it takes compute capability 8.0, and this GPU has {properties.compute_capability}"
        if d > MOST_FEATURES:
            return f"it takes up to {MOST_FEATURES:,} features, and there are {d:,}"
        width = d * operand_for(d, properties).size
        shared, most = warps_bytes(width) + 2 * stage_bytes(width, sources.BYTE_PANELS[0]), properties.shared_bytes
        if shared > most:
            return f"it takes {shared:,} bytes of shared memory, and there are {most:,}"
        needed, most = sizes.data_bytes + n * bytes_a_row(width), properties.memory_bytes
        if needed > most:
            return f"with the data it takes {needed / 2**30:.1f} GiB, and there are {most / 2**30:.1f}"
        return ""

    @staticmethod
    def decline(sizes):
        if sizes.k < _FEW_CENTROIDS or float(sizes.n) * sizes.d * sizes.k < _FEW_PRODUCTS:
            return "scores in float32 take no longer"
        return ""

    @property
    def byte_choices(self):
        """What the module `byte_filter` is compiled with."""
        return {**self._choices, "PANEL": self.byte_panel}

    @property
    def _choices(self):
        return {"HALVES": self.operand.halves, "KSTEPS": self.ksteps}

    def modules(self, stored):
        of_operand = [
            sources.module(name, stored, HALVES=self.operand.halves)
            for name in ("byte_rows", "byte_centroids", "byte_sample")
        ]
        mine = [sources.module("byte_candidates", stored), sources.module("byte_filter", stored, **self.byte_choices)]
        return [*super().modules(stored), *of_operand, *mine]

    def open(self, session):
        return ByteScoring(self, session)


def _room(width, properties, resident):
    """Shared memory that a block has for panels where so many blocks run at once."""
    return (properties.shared_bytes + SYSTEM_SHARED) // resident - SYSTEM_SHARED - warps_bytes(width)


class BytesPolicy:
    """Whether an iteration scores in bytes: not for a while after one that left too many rows to float32.

    A while is an iteration, and after every further trial in vain twice as many as before. So among m iterations of
    data that bytes do not suit about log2(m) are in vain, and where they begin to suit at the m-th, it is noticed
    within m more. Rows that bounds left out count as served: where few are scored, no way takes long.
    """

    def __init__(self):
        self.pause = self.resume = 0

    def decide(self, number):
        return number >= self.resume

    def learn(self, number, overflowed, upcoming):
        """`overflowed` is the share of rows that iteration `number` left, `upcoming` the next that is yet undecided."""
        if overflowed <= _MOST_OVERFLOWED:
            self.pause = self.resume = 0
        elif number >= self.resume:  # else it was decided before a trial was known to be in vain
            self.pause = max(1, 2 * self.pause)
            self.resume = upcoming + self.pause


class ByteScoring(PanelScoring):
    """See `protocol.Scoring`."""

    def __init__(self, plan, session):
        super().__init__(plan, session)
        self.row_words = None
        self.begin()

    def begin(self):
        self.policy = BytesPolicy()

    def _encode(self, session):
        """Make room, and encode the rows: before the first pass that scores them in bytes."""
        plan, device, n, what = self.plan, session.device, session.n, f"the bytes of {session.n:,} rows"
        words = _PRODUCT // 4 * plan.products
        in_tiles = -(-n // _ROWS) * _ROWS * words
        self.row_words, self.row_fine_words = (allocate(device, in_tiles, np.uint32, what, fill=0) for _ in range(2))
        self.row_facts = allocate(device, 4 * n, np.float32, what)
        self.likely = allocate(device, n, np.int32, what)
        self.several = allocate(device, n, np.int32, what)
        self.candidates = allocate(device, n * (1 + plan.most), np.int32, what)
        self.overflowed = allocate(device, n, np.int32, what)
        k, what = plan.panels * plan.byte_panel, f"{self.k:,} centroids of {self.d:,} features"
        self.words, self.fine_words = (allocate(device, k * words, np.uint32, what, fill=0) for _ in range(2))
        self.steps, self.raised_steps = (allocate(device, 2 * k, np.float32, what) for _ in range(2))
        self.measures = allocate(device, 2 * k, np.float32, what)
        self.steepest = allocate(device, 2 * plan.panels, np.float32, what)
        self.moved = allocate(device, (self.k, self.d), np.float32, what)
        shift, rows = device.download(self.frame["shift"]), sample(self.launcher, session.X)
        self.usual_reach = self.scale * byte_scores.usual_reach(rows, shift)
        self.how = {
            "d": self.d, "shift": self.frame["shift"], "scale": self.scale, "products": plan.products,
            "levels": plan.levels,
            "ratio": byte_scores.usual_ratio(rows, shift, plan.levels),
        }  # fmt: skip
        self.lost_share = byte_scores.lost_share(self.d)
        self.launcher.prepare(
            "byte_rows", "encode_rows", self.launcher.blocks(n), choices={"HALVES": plan.operand.halves},
            X=session.X, n=n, **self.how, lost_share=self.lost_share,
            vanishing=byte_scores.vanishing(self.d, self.scale), words=self.row_words,
            fine_words=self.row_fine_words, facts=self.row_facts,
        )()  # fmt: skip

    def way(self, number, labelled):
        if number is None:
            serves = self.plan.forced or self.plan.pays_once or self.row_words is not None
        else:
            serves = self.policy.decide(number)
        return self.plan.ways[not labelled] if serves else super().way(number, labelled)

    def bounds_pay(self, way):
        return _BOUNDS_PAY if way in self.plan.ways else super().bounds_pay(way)

    def learn(self, number, way, overflowed, upcoming):
        if way in self.plan.ways:
            self.policy.learn(number, overflowed, upcoming)

    def launches(self, session, centroids, common, bounded, way, sums, anew):
        if way not in self.plan.ways:
            return super().launches(session, centroids, common, bounded, way, sums, anew)
        if self.row_words is None:
            self._encode(session)
        plan, prepare, halted = self.plan, self.launcher.prepare, common["halted"]
        of_centroids = {
            "words": self.words, "fine_words": self.fine_words, "steps": self.steps,
            "raised_steps": self.raised_steps, "measures": self.measures, "steepest": self.steepest,
            "usual_reach": self.usual_reach,
        }  # fmt: skip
        counters = common["counters"]
        n_left = counters[3:4] if bounded else None
        found = {
            "n": session.n, "d": self.d, "candidates": self.candidates, "upper": self.upper, "lower": self.lower,
            "labels": common["labels"], "counters": counters, "halted": halted,
        }  # fmt: skip
        encode = prepare(
            "byte_centroids", "encode_centroids", self.launcher.blocks(plan.panels, 1),
            choices={"HALVES": plan.operand.halves}, centroids=centroids.exact, k=self.k, **self.how,
            panel=plan.byte_panel, biased=plan.ksteps > 0 and not plan.operand.halves, moved=self.moved, **of_centroids,
            halted=halted,
        )  # fmt: skip
        of_norm, of_half_norm, added = self.margin
        score = prepare(
            "byte_filter", "byte_filter", plan.byte_blocks, shared_bytes=plan.shared, choices=plan.byte_choices,
            row_words=self.row_words, row_fine_words=self.row_fine_words, row_facts=self.row_facts,
            products=plan.products, k=self.k, lost_share=self.lost_share,
            fine_share=byte_scores.fine_share(self.d, plan.levels), inverse_ratio=1 / self.how["ratio"],
            resident=plan.all_resident, used_warps=plan.used_warps, overflowed=self.overflowed, open=self.open,
            of_norm=of_norm, likely=self.likely if way == plan.ways[1] else common["labels"], several=self.several,
            rows_left=self.left if bounded else None, n_left=n_left, **of_centroids, **found,
        )  # fmt: skip
        settle = prepare(
            "byte_candidates", "settle_candidates", self.launcher.blocks(session.n), X=session.X,
            centroids=centroids.exact, moved=self.moved, half_norms=centroids.packed.half_norms,
            shift=self.frame["shift"], scale=self.scale, norms=self.norms, of_norm=of_norm,
            of_half_norm=of_half_norm, added=added, most=plan.most, listed=self.several, **found,
        )  # fmt: skip
        bounds = [self._filter(session, centroids, n_left)] if bounded else []
        few = _SCANNED_A_BLOCK * self.rechecking
        in_float32 = self._scored(session, centroids, common, self.overflowed, counters[5:6], few)
        sample = [self._sample(session)] if way == plan.ways[1] else []
        return [*bounds, encode, *sample, score, settle, *in_float32]

    def _sample(self, session):
        """A centroid for each row that is likely to be near, into `likely`."""
        plan = self.plan
        return self.launcher.prepare(
            "byte_sample", "likely_centroids", plan.sample_blocks, choices={"HALVES": plan.operand.halves},
            row_words=self.row_words, row_facts=self.row_facts,
            n=session.n, products=plan.products, words=self.words, steps=self.steps, k=self.k, panel=plan.byte_panel,
            every=plan.sampled, likely=self.likely, halted=session.iteration.halted,
        )  # fmt: skip
