"""What takes part in a benchmark: ours and its peers behind one set of calls."""

from .timing import Refused, interleaved

GIB = 2**30


class Contender:
    """One library in one setting."""

    name = ""  # as in the table
    distribution = ""
    note = ""  # how its work differs from the others'
    X = None

    def load(self, stand):
        """Import what it needs, so that no import is timed; ImportError where that is missing."""

    def refuses(self, n_samples, n_features, n_clusters):
        """The reason not to run a problem, or an empty string."""
        return ""

    def needs(self, n_samples, n_features, n_clusters):
        """Bytes beyond the data."""
        return 0

    def open(self, stand, X, n_clusters):
        """Take the data, a float32 array of `stand.xp`."""
        self.stand, self.X, self.n_clusters = stand, X, n_clusters

    def close(self):
        """Let go of the data."""
        self.X = None

    def run(self, start, iterations):
        """So many iterations from `start`, tolerance off."""
        raise NotImplementedError

    def ready(self, stand, X, n_clusters):
        """Load it and give it the data, of one problem or of several; `Refused` where that cannot be."""
        n_features = X.shape[-1]
        n_samples = X.size // n_features
        try:
            self.load(stand)
        except ImportError as error:
            raise Refused(f"cannot be imported: {error}") from error
        refusal = self.refuses(n_samples, n_features, n_clusters)
        if refusal:
            raise Refused(refusal)
        needed, free = self.needs(n_samples, n_features, n_clusters), stand.free_bytes()
        if needed > free:
            raise Refused(f"needs about {needed / GIB:.1f} GiB and {free / GIB:.1f} GiB are free")
        self.open(stand, X, n_clusters)


def race(contenders, prepare, X, n_clusters, rounds, stand, context, **limits):
    """Contenders in turns (`timing.interleaved`): each gets the data, then ``prepare(contender)`` what measures it.

    A dry run has one round.
    """

    def task(contender):
        def ready():
            try:
                contender.ready(stand, X, n_clusters)
                return prepare(contender)
            except Exception:
                contender.close()
                raise

        return ready

    tasks = {one.name: task(one) for one in contenders}
    return interleaved(tasks, 1 if context.dry_run else rounds, stand, context, **limits)
