"""The launches that make an iteration, prepared once and run many times: a launch that is prepared costs the host microseconds."""

import weakref

from . import planning
from .buffers import NO_SUMS


class Chains:
    """Prepared launches of a session, by what distinguishes them; made anew when its labels are."""

    def __init__(self, session):
        # A session that nobody uses gives its memory back at once, which it would not in a cycle.
        self.session, self.launcher = weakref.proxy(session), session.launcher
        self.prepared = {}

    def forget(self):
        """The arrays that the launches are for are no longer in use."""
        self.prepared.clear()

    def run(self, make, *what):
        """Run the launches that the method `make` makes of `what`."""
        key = (make.__name__, *(id(part) if hasattr(part, "exact") else part for part in what))
        if key not in self.prepared:
            self.prepared[key] = make(*what)
        for launch in self.prepared[key]:
            launch()

    # ---- assignment ------------------------------------------------------------------------------------------------

    def scoring(self, source, summing, anew, gated):
        """Label every row by the centroids `source`, and bring the sums up to date."""
        s, sums = self.session, self.session.sums if summing else None
        common = {
            "X": s.X, "weights": s.weights, "centroids": source.exact, "k": s.k, "labels": s.device_labels,
            "counters": s.steering.counters, **(sums.arguments if sums else NO_SUMS), "anew": anew, "halted": s.steering.halted,
        }  # fmt: skip
        launches = [self._clearing(sums)] if anew else []
        if s.kernels.points:
            return [*launches, self._of_points(common, sums, anew)]
        return launches + self._of_panels(common, source, sums, gated)

    def _clearing(self, sums):
        size, s = sums.cells.size, self.session
        return self.launcher.prepare(
            "centroids", "clear", self.launcher.blocks(size),
            cells=sums.cells, size=size, counts=sums.counts, k=s.k, halted=s.steering.halted,
        )  # fmt: skip

    def _of_points(self, common, sums, anew):
        s, facts = self.session, self.session.device.facts
        shared_cells = private_cells = dynamic = 0
        if sums and anew:
            private_cells, dynamic = planning.private_sums(sums.cells.size, s.k, facts.shared_bytes)
        if sums and not private_cells:
            shared_cells, dynamic = planning.block_sums(sums.cells.size, s.k, planning.room_for_sums(s.kernels, facts))
        blocks = planning.resident_blocks(s.kernels.blocks, facts.multiprocessors, dynamic, facts.shared_bytes)
        return self.launcher.prepare(
            "points", "assign_points", blocks, shared_bytes=dynamic, choices={"DIM": s.d},
            n=s.n, shared_cells=shared_cells, private_cells=private_cells, **common,
        )  # fmt: skip

    def _of_panels(self, common, source, sums, gated):
        s, rows, steering, launches = self.session, self.session.rows_of, self.session.steering, []
        left, n_left = (rows.left, steering.counters[3:4]) if gated else (None, None)
        if gated:
            gate = self.launcher.prepare(
                "gate", "gate", self.launcher.blocks(s.n), X=s.X, n=s.n, d=s.d, centroids=source.exact, k=s.k,
                scale=s.frame.scale, drifts=steering.drifts, labels=s.device_labels, upper=rows.upper, lower=rows.lower,
                rows_left=left, n_left=n_left, halted=steering.halted,
            )  # fmt: skip
            launches.append(gate)
        shared_cells, dynamic = 0, 0
        if sums:
            room = planning.room_for_sums(s.kernels, s.device.facts)
            shared_cells, dynamic = planning.block_sums(sums.cells.size, s.k, room)
        of_norm, of_half_norm, added = s.frame.margin
        arguments = {
            "d": s.d, "shift": s.shift, "scale": s.frame.scale, "panels": source.panels, "half_norms": source.half_norms,
            "n": s.n, "open": rows.open,
        }  # fmt: skip
        choices = {"PANEL": s.kernels.panel, "HEIGHT": s.kernels.height}
        of_assign = {name: value for name, value in common.items() if name != "centroids"}
        assign = self.launcher.prepare(
            "assign", "assign", s.kernels.blocks, shared_bytes=dynamic, choices=choices, norms=rows.norms,
            of_norm=of_norm, of_half_norm=of_half_norm, added=added, rows_left=left, n_left=n_left,
            upper=rows.upper, lower=rows.lower, shared_cells=shared_cells, **arguments, **of_assign,
        )  # fmt: skip
        blocks = self.launcher.blocks(s.n, planning.RECHECKED_A_BLOCK)
        recheck = self.launcher.prepare("assign", "recheck", blocks, choices=choices, **arguments, **common)
        return [*launches, assign, recheck]

    # ---- centroids -------------------------------------------------------------------------------------------------

    def conclusion(self, source, target, relocated):
        """The sums into the centroids `target`, and the numbers of the iteration into the status."""
        s, steering = self.session, self.session.steering
        of_clusters = {
            "shifts": steering.shifts,
            "differences": steering.differences,
            "cluster_weights": steering.weights,
        }
        frame = s.frame_arguments
        means = self.launcher.prepare(
            "centroids", "means", self.launcher.blocks(32 * s.k), **s.sums.arguments, k=s.k, d=s.d, weighted=s.weights is not None,
            old=source.exact, center=s.center, **frame, relocated=relocated, centroids=target.exact, panel=s.kernels.panel,
            panels=target.panels, half_norms=target.half_norms, **of_clusters, halted=steering.halted,
        )  # fmt: skip
        conclude = self.launcher.prepare(
            "centroids", "conclude", 1, k=s.k, **of_clusters, scatter=s.scatter, scale=frame["scale"], relocated=relocated,
            counters=steering.counters, drifts=steering.drifts, status=steering.status, halted=steering.halted,
        )  # fmt: skip
        return [means, conclude]
