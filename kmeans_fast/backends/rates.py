"""About how long the host's backends take: what is expected of a step that has not been timed yet."""

from typing import NamedTuple

from ..kernels import processors

_LEAST = 1e-4  # seconds of a pass, or of a seed, however small
_ITERATIONS = 10  # of a usual fit


class Rates(NamedTuple):
    """Nanoseconds on one core.

    In a pass: of a value, of a score, and of each feature of a score. In the drawing of a seed: of a row, and of each
    of its values.
    """

    value: float
    score: float
    feature: float
    drawn_row: float
    drawn_value: float

    def of_pass(self, n, d, k, threads):
        """About how many seconds it takes to score rows against k centroids and to add them up."""
        return _LEAST + 1e-9 * n * (k * (self.score + self.feature * d) + self.value * d) / threads

    def of_seeds(self, n, d, k, threads):
        """About how many seconds it takes to draw k seeds."""
        return k * (_LEAST + 1e-9 * n * (self.drawn_row + self.drawn_value * d) / threads)


# Two cores of an AMD EPYC, 15 shapes from (150, 4, 3) to (1M, 2, 10): mostly within a factor of two.
RATES = {"numpy": Rates(8.0, 0.4, 0.03, 45.0, 4.5), "cpu": Rates(0.3, 0.05, 0.015, 3.0, 0.07)}


def usual_fit(problem):
    """About how many seconds a fit takes in NumPy, with seeds, on all cores."""
    sizes = problem.n_samples, problem.n_features, problem.n_clusters, processors.usable_cpus()
    rates = RATES["numpy"]
    return rates.of_seeds(*sizes) + _ITERATIONS * rates.of_pass(*sizes)
