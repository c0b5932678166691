"""Which columns of a file are features and which holds the weights."""

import re
from typing import NamedTuple


def describe(index, names):
    """A column in words, as error messages name it: its number from 1, and its name where it has one."""
    return f"column {index + 1}" + (f" ({names[index]!r})" if names else "")


class Selection(NamedTuple):
    """What the user asks for.

    Attributes
    ----------
    columns : str, optional
        Names, numbers from 1 and ranges, separated by commas; None: all columns but that of the weights.
    weights : str, optional
        Name or number of the column of weights.
    expected : tuple of str
        Names to look for where `columns` is None and the file has names (a model's features).
    """

    columns: str | None = None
    weights: str | None = None
    expected: tuple[str, ...] = ()

    def resolve(self, names, n_columns):
        """Positions of the features, in the order asked for, and of the weights.

        Parameters
        ----------
        names : list of str or None
            The file's columns.
        n_columns : int

        Returns
        -------
        features : list of int
        weights : int or None

        Raises
        ------
        ValueError
            For a column that is not there or is asked for twice.
        """
        weights = None
        if self.weights is not None:
            found = _positions(self.weights, names, n_columns, "--weights")
            if len(found) != 1:
                raise ValueError(f"--weights must name one column, got {self.weights!r}")
            weights = found[0]
        if self.columns is not None:
            features = _positions(self.columns, names, n_columns, "--columns")
        elif self.expected and names:
            missing = [name for name in self.expected if name not in names]
            if missing:
                raise ValueError(
                    f"the model was fitted on columns named {_list(self.expected)}; {_list(missing)} not found among "
                    f"{_list(names)} (choose columns with --columns)"
                )
            features = [names.index(name) for name in self.expected]
        else:
            features = [index for index in range(n_columns) if index != weights]
        if not features:
            raise ValueError(f"there must be at least one column of features, got {n_columns} columns with the weights")
        for index in features:
            if features.count(index) > 1:
                raise ValueError(f"every column may be chosen once, got {describe(index, names)} twice: {self.columns}")
        return features, weights


def _list(names, most=8):
    shown = ", ".join(repr(name) for name in names[:most])
    return shown + (f", ... ({len(names)} in all)" if len(names) > most else "")


def _positions(text, names, n_columns, option):
    if names and text in names:  # a name may contain a comma
        return [names.index(text)]
    found = []
    for item in text.split(","):
        item = item.strip()
        span = re.fullmatch(r"(\d+)(?:-(\d+))?", item)
        if names and item in names:
            if names.count(item) > 1:
                raise ValueError(f"{option}: {names.count(item)} columns are named {item!r}; use numbers")
            found.append(names.index(item))
        elif span:
            first, last = int(span[1]), int(span[2] or span[1])
            if not 1 <= first <= last <= n_columns:
                raise ValueError(f"{option}: columns are numbered from 1 to {n_columns}, got {item!r}")
            found += range(first - 1, last)
        elif names:
            raise ValueError(f"{option}: there is no column {item!r}; the columns are {_list(names)}")
        else:
            raise ValueError(f"{option}: the columns have no names, so they must be numbers or ranges, got {item!r}")
    return found
