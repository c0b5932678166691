"""What ``verbose=1`` prints while a fit runs: scikit-learn's lines, and one for every breath of the refinement."""

from ..engine.events import ITERATING, SEEDING


class Printer:
    """A callback of a fit that prints, and asks the user's own callback, if there is one."""

    def __init__(self, callback=None):
        self._callback = callback
        self._phase, self._stage, self._number = None, None, 0

    def on_phase(self, name):
        """A phase of the fit begins."""
        if self._phase == SEEDING and name == ITERATING:
            print("Initialization complete")
        self._phase = name
        self._forward("on_phase", name)

    def on_breath(self, added, before, after):
        """A breath of the refinement is over."""
        print(f"Breath of {added} centroids: inertia {before} -> {after}.")
        self._forward("on_breath", added, before, after)

    def _forward(self, name, *what):
        method = getattr(self._callback, name, None)
        if callable(method):
            method(*what)

    def __call__(self, progress):
        stage = (progress.run, progress.stage)
        self._number = self._number + 1 if stage == self._stage else 0
        self._stage = stage
        print(f"Iteration {self._number}, inertia {progress.inertia}.")
        stop = self._callback is not None and self._callback(progress)
        if progress.changed == 0:
            print(f"Converged at iteration {self._number}: strict convergence.")
        elif progress.converged:
            shift = f"center shift {progress.squared_shift} within tolerance {progress.threshold}"
            print(f"Converged at iteration {self._number}: {shift}.")
        return stop
