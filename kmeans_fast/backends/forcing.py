"""A choice among named ways of doing one thing, which a ``with`` block may force: for tests and benchmarks."""

import contextlib
from contextvars import ContextVar


class Choice:
    """Ways of doing one thing, in order of preference.

    Parameters
    ----------
    kind : str
        What they are, in a word: "scorer".
    ways : tuple
        Objects or classes with a ``name``.
    """

    def __init__(self, kind, ways):
        self.kind, self.ways = kind, ways
        self._name = ContextVar(f"kmeans_fast_{kind}", default=None)

    @property
    def forced(self):
        """The way whose name is forced, in this thread or task; None where none is."""
        return next((way for way in self.ways if way.name == self._name.get()), None)

    def first(self, objection):
        """The way that is forced, or else the first that nothing speaks against.

        Parameters
        ----------
        objection : callable
            ``objection(way)``: why a way does not apply, in words; empty if it does.

        Raises
        ------
        RuntimeError
            If the one that is forced does not apply, or none does.
        """
        if self.forced is not None:
            reason = objection(self.forced)
            if reason:
                raise RuntimeError(f"The {self.kind} {self.forced.name!r} was asked for and cannot run: {reason}.")
            return self.forced
        reasons = []
        for way in self.ways:
            reason = objection(way)
            if not reason:
                return way
            reasons.append(f"{way.name}: {reason}")
        raise RuntimeError(f"No {self.kind} can run: {'; '.join(reasons)}.")

    @contextlib.contextmanager
    def force(self, name):
        """Force a way by name inside a ``with`` block; ValueError if there is none of that name."""
        names = [way.name for way in self.ways]
        if name not in names:
            raise ValueError(f"There is no {self.kind} {name!r}; there are {', '.join(map(repr, names))}.")
        before = self._name.get()
        try:  # the name is set inside, so that an interrupt leaves nothing set
            self._name.set(name)
            yield
        finally:
            self._name.set(before)
