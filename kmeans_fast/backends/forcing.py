"""A choice among named ways of doing one thing, which a ``with`` block may restrict: for tests and benchmarks."""

import contextlib
from contextvars import ContextVar


class Choice:
    """Ways of doing one thing, in order of preference.

    Parameters
    ----------
    kind : str
        What they are, in a word: "scorer".
    ways : tuple
        Objects or classes with a ``name``. The last is what runs where no other can.
    """

    def __init__(self, kind, ways):
        self.kind, self.ways = kind, ways
        self._name = ContextVar(f"kmeans_fast_{kind}", default=None)
        self._left_out = ContextVar(f"kmeans_fast_no_{kind}", default=frozenset())

    @property
    def forced(self):
        """The way whose name is forced, in this thread or task; None where none is."""
        name = self._name.get()
        return None if name is None else next(way for way in self.ways if way.name == name)

    @property
    def remaining(self):
        """The ways that are not left out, in this thread or task."""
        left_out = self._left_out.get()
        return tuple(way for way in self.ways if way.name not in left_out) if left_out else self.ways

    @property
    def is_restricted(self):
        """Whether a way is forced or some are left out, in this thread or task."""
        return self._name.get() is not None or bool(self._left_out.get())

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
        for way in self.remaining:
            reason = objection(way)
            if not reason:
                return way
            reasons.append(f"{way.name}: {reason}")
        raise RuntimeError(f"No {self.kind} can run: {'; '.join(reasons)}.")

    def force(self, name):
        """Force a way by name inside a ``with`` block; ValueError if there is none of that name."""
        self._check(name)
        return _holding(self._name, name)

    def leave_out(self, *names):
        """Do without the ways of these names inside a ``with`` block; ValueError if there is none of a name."""
        for name in names:
            self._check(name)
            if name == self.ways[-1].name:
                raise ValueError(f"The {self.kind} {name!r} cannot be left out: it runs where no other can.")
        return _holding(self._left_out, self._left_out.get() | frozenset(names))

    def _check(self, name):
        names = [way.name for way in self.ways]
        if name not in names:
            raise ValueError(f"There is no {self.kind} {name!r}; there are {', '.join(map(repr, names))}.")


@contextlib.contextmanager
def _holding(variable, value):
    before = variable.get()
    try:  # the value is set inside, so that an interrupt leaves nothing set
        variable.set(value)
        yield
    finally:
        variable.set(before)
