"""Rows of a file before they are clustered: what they are like is said, and what the options ask for is done."""

from typing import Any, NamedTuple

import numpy as np

from ..messages import counted
from ..preparation import health
from ..preparation.findings import beyond, fences
from ..preparation.number_texts import PLAINLY, number_text
from ..preparation.rows import Rows, is_free, is_missing
from .readers.columns import listed

_LEFT_OUT = -1  # the label of a row that has none
_MOST_NEW = 10_000  # levels of a column that are remembered to be told of


class Prepared(NamedTuple):
    """The rows of a file, prepared."""

    rows: Rows  # as they were read, without what was left out; numbers may have been overwritten
    pipeline: Any  # the fitted steps, or None where there is nothing to do
    X: np.ndarray  # the rows that a fit takes
    everything: np.ndarray  # all rows that have a label; X itself where there are no outliers
    complete: np.ndarray | None  # the rows of the file that have a label; None: all
    outliers: np.ndarray | None  # those of `everything` that the fit leaves out; None where they were not looked for
    notes: list[str]
    done: list[str]  # those of them that say what was done

    def rows_of_fit(self):
        """The rows that the fit takes, as they were read where the table's array may not be written to."""
        return self.rows if self.outliers is None else self.rows.take(~self.outliers)

    def of_fit(self, values):
        """Values a row of the file, of the rows that the fit takes."""
        if values is None:
            return None
        values = values if self.complete is None else values[self.complete]
        return values if self.outliers is None else values[~self.outliers]

    def beside(self, labels, distances):
        """Labels, distances (or None) and outliers (or None) for all rows of the file."""
        outliers = None if self.outliers is None else self.outliers.astype(np.uint8)
        return tuple(spread(values, self.complete) for values in (labels, distances, outliers))


def spread(values, complete):
    """Values of the complete rows among those of all rows, which have none: -1, NaN or 0."""
    if values is None or complete is None:
        return values
    none = np.nan if values.dtype.kind == "f" else _LEFT_OUT if values.dtype.kind == "i" else 0
    found = np.full(len(complete), none, values.dtype)
    found[complete] = values
    return found


def prepared(args, table, watch):
    """The `Prepared` rows of a table, as the options of a command line ask for. What is found is said."""
    watch.on_phase("looking")
    rows, done = table.rows(), []
    used = range(len(rows.names))
    if args.categories == "auto":
        rows, used, done = _without_free_texts(rows)
    notes = [*done]
    if not watch.quiet:
        found = health(rows, scaled=args.scale != "none")
        mended = {"text": True, "missing": args.missing, "extreme": args.outliers != "keep"}
        mended["numbers as text"] = args.categories != "auto"  # they were named
        notes += [str(one) for one in found.findings if not mended.get(one.kind)]
    watch.say(args.file, notes)
    _refuse_empty(args, table, rows, used)
    if table.missing and args.missing is None and (absent := rows.missing()).any():
        raise ValueError(
            f"{table.first_missing(used)}; every cell must be a finite number or, of categories, a text "
            f"({counted(int(absent.sum()), 'row')} of {len(absent):,} have missing cells: --missing drop leaves them "
            "out, --missing median fills them in)"
        )
    said = len(notes)
    rows, complete = _complete(args, rows, notes) if table.missing else (rows, None)
    outliers = _outliers(args, rows, notes) if args.outliers != "keep" else None
    kept = rows if outliers is None or not outliers.any() else rows.take(~outliers)
    pipeline, X = _fitted(args, kept)
    if args.pca is not None:
        pca = pipeline[-1]
        told = f"{counted(len(pca.components_), 'principal component')} of {pca.n_features_in_:,} columns"
        notes.append(f"{told}, with {pca.explained_variance_ratio_.sum():.1%} of the variance")
    watch.say(args.file, notes[said:])
    everything = X if kept is rows else _transformed(pipeline, rows)
    done += notes[said:]
    return Prepared(rows, pipeline, X, everything, complete, outliers, notes, done)


def _fitted(args, rows):
    """The Pipeline that the options ask for, None where there is nothing to do, and the rows as it makes them."""
    if not rows.texts and args.missing != "median" and args.scale == "none" and args.pca is None:
        return None, rows.numbers
    from ..preparation.applying import fitted  # which takes time, as it takes much of scikit-learn
    from ..preparation.recipes import checked

    recipe = checked(
        missing="median" if args.missing == "median" else None,
        scale=None if args.scale == "none" else args.scale,
        max_categories=args.max_categories,
        pca=args.pca,
        dtype=rows.numbers.dtype,
    )
    try:
        return fitted(recipe, rows)
    except ValueError as error:
        raise ValueError(f"{args.file}: {error}") from error


def _transformed(pipeline, rows):
    if pipeline is None:
        return rows.numbers
    from ..preparation.applying import transformed

    return transformed(pipeline, rows)


def _without_free_texts(rows):
    """Rows without the texts that are no levels, the columns that are left, and what to say of it."""
    free = {at for at, texts in rows.texts.items() if is_free(texts)}
    if not free:
        return rows, range(len(rows.names)), []
    names = [name for at, name in enumerate(rows.names) if at not in free]
    places = [at for at in range(len(rows.names)) if at not in free]
    texts = {places.index(at): texts for at, texts in rows.texts.items() if at not in free}
    written = {at: text for at in sorted(free) if (text := number_text(rows.texts[at])) is not None}
    said = [f"left out: {rows.names[at]!r}: it is text, as {text!r}: {PLAINLY}" for at, text in written.items()]
    if others := sorted(free - set(written)):
        its, it = ("its", "it") if len(others) == 1 else ("their", "them")
        why = f"more than half of {its} rows differ, as in identifiers and free text; --categories can choose {it}"
        said.insert(0, f"left out: {listed([rows.names[at] for at in others])}: {why}")
    return Rows(rows.numbers, texts, names), places, said


def _refuse_empty(args, table, rows, used):
    """Raise ValueError if a column has no value: no way to see to missing cells helps."""
    for at, column in enumerate(used):
        if column in table.missing:
            texts = rows.texts.get(at)
            if (is_missing(texts) if texts is not None else np.isnan(rows.numbers[:, rows.places.index(at)])).all():
                raise ValueError(
                    f"{args.file}: column {rows.names[at]!r} has no value at all: leave it out with --columns"
                )


def _complete(args, rows, notes):
    """The rows without missing cells, and which these are or None for all, if such are to be left out."""
    complete = ~rows.missing()
    n_missing = len(complete) - int(complete.sum())
    if args.missing != "drop" or not n_missing:
        if n_missing:
            where = counted(n_missing, "row")
            notes.append(f"filled in: missing cells in {where}, by the median or most frequent value")
        return rows, None
    if not complete.any():
        raise ValueError("--missing drop: every row has a missing cell; fill them in with --missing median")
    notes.append(f"left out: {counted(n_missing, 'row')} of {len(complete):,} with missing cells")
    return rows.take(complete), complete


def _outliers(args, rows, notes):
    """Which rows the fit leaves out."""
    found = beyond(rows, *fences(rows, args.outliers))
    if found.all():
        raise ValueError("--outliers: every row has a value beyond the fences, so none is left to fit")
    rule = f"more than {args.outliers:g} interquartile ranges beyond the quartiles of its column"
    notes.append(f"left out of the fit: {counted(int(found.sum()), 'row')} with a value {rule}")
    return found


# ---- a model's ------------------------------------------------------------------------------------------------------


class Needs(NamedTuple):
    """What a model's preparation asks of a file."""

    columns: list[int]  # of those that it was fitted on
    names: tuple[str, ...]  # of these; empty: they have none
    categories: tuple[int, ...]  # among `columns`


class _Branch(NamedTuple):
    """What a preparation does with some columns."""

    columns: list[int]
    fills: bool  # missing cells
    takes_texts: bool


def _branches(pipeline, n_features):
    if pipeline is None:
        return [_Branch(list(range(n_features)), False, False)]
    from ..preparation.applying import fills, leaves, takes_texts

    found = leaves(pipeline, list(range(n_features)))
    return [_Branch(columns, fills(steps), takes_texts(steps)) for steps, columns in found]


def needs(pipeline, names, n_features):
    """The `Needs` of a model; `pipeline` is None where it takes rows as they are."""
    branches = _branches(pipeline, n_features)
    used = sorted({column for branch in branches for column in branch.columns})
    texts = {column for branch in branches if branch.takes_texts for column in branch.columns}
    categories = tuple(at for at, column in enumerate(used) if column in texts)
    return Needs(used, tuple(names[at] for at in used) if names else (), categories)


class Applied:
    """A model's preparation, applied to the rows of a table, or of several, one after the other; `needed` are its
    `Needs`.
    """

    def __init__(self, args, pipeline, needed, n_features):
        self.drops, self.pipeline, self.needed, self.n_features = args.missing == "drop", pipeline, needed, n_features
        filled = {at for branch in _branches(pipeline, n_features) if branch.fills for at in branch.columns}
        self.others = [at for at, column in enumerate(needed.columns) if column not in filled]
        self.n_rows = self.n_left_out = 0
        self.new = {}  # levels that the fit has not met, as `unknown` has them

    def __call__(self, table):
        """The rows of a `Table` as the model takes them, None where there are none, and which of the table's these are;
        None: all.
        """
        rows, complete = table.rows(), None
        self.n_rows += len(rows.numbers)
        if table.missing and self.drops:
            complete = ~rows.missing()
            n_left_out = len(complete) - int(complete.sum())
            self.n_left_out += n_left_out
            if n_left_out == len(complete):
                return None, complete
            rows, complete = (rows.take(complete), complete) if n_left_out else (rows, None)
        elif table.missing and (absent := rows.missing(self.others)).any():
            n_rows = f"{counted(int(absent.sum()), 'row')} of {self.n_rows:,}"
            raise ValueError(
                f"{table.first_missing(self.others)}, and the model fills in no cells there ({n_rows} have such cells: "
                "--missing drop gives them no label)"
            )
        if self.pipeline is None:
            return rows.numbers, complete
        from ..preparation.applying import transformed, unknown

        rows = _numbered_as(rows, self.needed, self.n_features)
        for column, levels in unknown(self.pipeline, rows).items():
            known = self.new.setdefault(column, set())
            if len(known) < _MOST_NEW:
                known |= levels
        return transformed(self.pipeline, rows), complete

    def by_rows(self):
        """Whether the bits of a row do not depend on the other rows, of the table or of how many there are."""
        if self.pipeline is None:
            return True
        from sklearn.decomposition import PCA

        from ..preparation.applying import leaves

        branches = leaves(self.pipeline, list(range(self.n_features)))
        return not any(type(step) is PCA for steps, _ in branches for step in steps)

    def notes(self):
        """What there is to say of all rows."""
        if self.n_left_out == self.n_rows:
            raise ValueError("--missing drop: every row has a missing cell; fill them in with --missing median")
        notes = []
        if self.n_left_out:
            notes.append(f"left out: {counted(self.n_left_out, 'row')} of {self.n_rows:,} with missing cells")
        for (name, among_rare), levels in self.new.items():
            new = f"column {name!r} has levels that the fit has not met ({listed(sorted(levels))})"
            notes.append(f"{new}: they count as {'(rare)' if among_rare else 'none of its levels'}")
        return notes


def _numbered_as(rows, needed, n_features):
    """Rows with the columns that the model was fitted on; those that it does not use are empty."""
    names, unused = [""] * n_features, set(range(n_features)) - set(needed.columns)
    for at, name in zip(needed.columns, rows.names, strict=True):
        names[at] = name
    texts = {needed.columns[at]: texts for at, texts in rows.texts.items()}
    return Rows(rows.numbers, {**texts, **dict.fromkeys(unused, np.empty(0, object))}, names)
