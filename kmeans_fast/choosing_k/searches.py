"""Which number of clusters is tried next: a function for each search, listed by name.

It is given the numbers in question, ascending, those that have been tried, and which of these is best (None: none has
been tried). It returns the next one, or None when there is nothing left to try.
"""

from collections.abc import Collection, Sequence

import numpy as np

_FIRST = 5  # numbers that a bisection begins with


def grid(numbers: Sequence[int], tried: Collection[int], best: int | None) -> int | None:
    """All numbers, ascending: each fit begins from the one before, too."""
    return next((k for k in numbers if k not in tried), None)


def bisect(numbers: Sequence[int], tried: Collection[int], best: int | None) -> int | None:
    """Some far apart, their ratios alike; then the middles of the gaps beside the best, until there are none."""
    spread = np.geomspace(numbers[0], numbers[-1], min(_FIRST, len(numbers)))
    first = {numbers[int(np.abs(np.asarray(numbers) - value).argmin())] for value in spread}
    if not first <= set(tried):
        return min(first - set(tried))
    places, at = [numbers.index(k) for k in tried], numbers.index(best)
    below = max((place for place in places if place < at), default=at)
    above = min((place for place in places if place > at), default=at)
    width, middle = max((at - below, (below + at) // 2), (above - at, (at + above) // 2))
    return numbers[middle] if width > 1 else None


def drawn(numbers: Sequence[int], count: int, seed: int) -> list[int]:
    """`count` of the numbers, at random, without replacement; ascending."""
    generator = np.random.Generator(np.random.Philox(key=seed))
    return sorted(generator.choice(numbers, min(count, len(numbers)), replace=False).tolist())


SEARCHES = {"grid": grid, "random": grid, "bisect": bisect}  # "random" is a grid of numbers that are `drawn`
