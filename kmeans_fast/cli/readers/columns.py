"""Which columns of a file are features, which holds the weights, and which are left out."""

import re
from collections.abc import Container, Mapping
from typing import NamedTuple

from ...messages import quoted


def describe(index, names):
    """A column in words, as messages name it: its number from 1, and its name where it has one."""
    return f"column {index + 1}" + (f" ({quoted(names[index])})" if names else "")


def listed(items, most=8):
    """Names in quotes, separated by commas, the first few of many."""
    shown = ", ".join(repr(item) for item in items[:most])
    return shown + (f", ... ({len(items):,} in all)" if len(items) > most else "")


def numbered(indices, most=8):
    """Positions as --columns takes them: numbers from 1 and ranges, ``1,3-5``."""
    spans = []
    for index in indices:
        if spans and spans[-1][1] == index - 1:
            spans[-1][1] = index
        else:
            spans.append([index, index])
    parts = [f"{first + 1}" if first == last else f"{first + 1}-{last + 1}" for first, last in spans]
    return ",".join(parts[:most]) + (",..." if len(parts) > most else "")


def left_out(chosen, names, n_columns, why: Mapping[int, str] = {}):
    """What to say of the columns that were not chosen; `why` some were not, as a dict of position to words."""
    used = set(chosen)
    notes = [
        f"left out: {describe(index, names if names and names[index] else None)}: {words} (--columns can choose it)"
        for index, words in why.items()
        if index not in used
    ]
    if rest := [index for index in range(n_columns) if index not in used and index not in why]:
        called = f" ({listed([names[index] for index in rest])})" if names else ""
        notes.append(f"left out: column{'s' if len(rest) > 1 else ''} {numbered(rest)}{called}")
    return notes


class Chosen(NamedTuple):
    """Columns by position in the file."""

    order: list[int]  # all features, as they were asked for
    numbers: list[int]
    texts: list[int]  # those that are categories
    weights: int | None


class Selection(NamedTuple):
    """What the user asks for."""

    columns: str | None = None  # names, numbers from 1 and ranges, separated by commas; None: all that are features
    weights: str | None = None  # name or number of the column of weights
    expected: tuple[str, ...] = ()  # names to look for (a model's) where `columns` is None and the file has names
    # Which features are categories: "auto", all texts; "drop", none, and texts are no features; columns, as `columns`;
    # positions among the features (a model's); None, none, and texts are refused.
    categories: str | tuple[int, ...] | None = None
    prepares: bool = False  # whether missing cells are read as NaN, for the command to see to them

    @property
    def by_default(self):
        """Whether the file decides which columns are features."""
        return self.columns is None and not self.expected

    def resolve(self, names, n_columns, left_out: Mapping[int, str] = {}):
        """Positions of the features, in the order asked for, as a list, and of the weights or None.

        `left_out` are columns that are no features unless they are asked for, and why. A column that is not there or is
        asked for twice is a ValueError.
        """
        places = _places(names)
        weights = None
        if self.weights is not None:
            found = _positions(self.weights, names, places, n_columns, "--weights")
            if len(found) != 1:
                raise ValueError(f"--weights must name one column, got {self.weights!r}")
            weights = found[0]
        if self.columns is not None:
            features = _positions(self.columns, names, places, n_columns, "--columns")
            features = self._as_expected(features, names) if names else features
        elif self.expected and names:
            features = self._expected(names, places)
        else:
            features = [index for index in range(n_columns) if index != weights and index not in left_out]
        if not features:
            raise ValueError(f"there must be at least one column of features, got {n_columns} columns with the weights")
        seen = set()
        for index in features:
            if index in seen:
                raise ValueError(f"every column may be chosen once, got {describe(index, names)} twice: {self.columns}")
            seen.add(index)
        return features, weights

    def split(self, features, texts, names, n_columns):
        """Which of the features are numbers, and which categories, as lists; `texts` are columns of text."""
        if self.categories is None:
            return features, []
        if self.categories in ("auto", "drop"):
            found = [index for index in features if index in texts]
        elif isinstance(self.categories, str):
            found = _positions(self.categories, names, _places(names), n_columns, "--categories")
            for index in found:
                if index not in features:
                    raise ValueError(f"--categories: {describe(index, names)} is not among the columns that are used")
        else:
            found = [features[at] for at in self.categories]
        numbers = [index for index in features if index not in found]
        found = [] if self.categories == "drop" else [index for index in features if index in found]
        if not numbers and not found:
            raise ValueError("--categories drop: there must be at least one column of numbers, got texts only")
        return numbers, found

    def chosen(self, names, n_columns, left_out: Mapping[int, str] = {}, texts: Container[int] = ()):
        """All that `resolve` and `split` say, as `Chosen`."""
        features, weights = self.resolve(names, n_columns, left_out)
        numbers, categories = self.split(features, texts, names, n_columns)
        kept = {*numbers, *categories}
        return Chosen([index for index in features if index in kept], numbers, categories, weights)

    def _as_expected(self, features, names):
        """Chosen columns in the model's order where they are its own by name; ValueError for one in another's place."""
        called, expected = [names[index] for index in features], list(self.expected)
        if len(called) != len(expected) or called == expected:
            return features
        if sorted(called) == sorted(expected):
            return [features[called.index(name)] for name in expected]
        for name, place in zip(called, expected, strict=True):
            if name != place and name in expected:
                raise ValueError(
                    f"--columns: {name!r} stands in the place of {place!r}; the model was fitted on columns named "
                    f"{listed(expected)}: choose them by these names, or in this order"
                )
        return features

    def _expected(self, names, places):
        missing = [name for name in self.expected if name not in places]
        if missing:
            raise ValueError(
                f"the model was fitted on columns named {listed(self.expected)}; {listed(missing)} not found among "
                f"{listed(names)} (choose columns with --columns)"
            )
        for name in self.expected:
            if len(places[name]) > 1:
                raise ValueError(
                    f"the model was fitted on a column named {name!r}, and {len(places[name])} columns are named so: "
                    "choose columns by number with --columns"
                )
        return [places[name][0] for name in self.expected]


def _places(names):
    """Where each name stands."""
    places = {}
    for index, name in enumerate(names or ()):
        places.setdefault(name, []).append(index)
    return places


def _positions(text, names, places, n_columns, option):
    if len(places.get(text, ())) == 1:  # a name may contain a comma
        return places[text]
    found = []
    for item in text.split(","):
        item = item.strip()
        span = re.fullmatch(r"([0-9]+)(?:-([0-9]+))?", item)
        if item in places:
            if len(places[item]) > 1:
                raise ValueError(f"{option}: {len(places[item])} columns are named {item!r}; use numbers")
            found += places[item]
        elif span:
            first, last = int(span[1]), int(span[2] or span[1])
            if not 1 <= first <= last <= n_columns:
                raise ValueError(f"{option}: columns are numbered from 1 to {n_columns}, got {item!r}")
            found += range(first - 1, last)
        elif names:
            raise ValueError(
                f"{option}: there is no column {item!r}; the columns are {listed(names)}, by number 1-{n_columns}"
            )
        else:
            raise ValueError(f"{option}: the columns have no names, so they must be numbers or ranges, got {item!r}")
    return found
