"""Parquet files in, by pyarrow: columns of numbers, or one column of vectors (embeddings)."""

import re

import numpy as np

from ...sources.files import check_name
from .collected import Collected, arrow_texts, narrowest
from .columns import describe, left_out, numbered

_ROWS = 1 << 16  # of a batch
_INDEX = re.compile(r"__index_level_\d+__")  # how pandas calls an index that has no name


def read_parquet(path, selection, dtype="auto", progress=None, collect=Collected, most=None):
    """Read the chosen columns of a Parquet file; parameters as of `kmeans_fast.cli.readers.read`. Yields its result.

    `collect` makes what rows are added to, at most about so many numbers at a time, and what it hands on is yielded
    before.

    Where it comes to one column of lists of equal length, their elements are the features, which have no names.
    """
    try:
        import pyarrow
        from pyarrow import parquet
    except ImportError as error:
        raise ImportError("reading Parquet needs pyarrow: install it (the extra 'cli')") from error
    check_name(path)
    with open(path, "rb"):  # a file that may not be read is no damaged one
        pass
    try:
        with parquet.ParquetFile(path, memory_map=True, page_checksum_verification=True) as file:
            yield from _read(file, path, selection, dtype, progress, collect, most)
    except MemoryError:
        raise
    except (pyarrow.ArrowException, OSError, UnicodeDecodeError) as error:
        raise ValueError(f"{path}: not a Parquet file, or damaged: {error}") from error


def _read(file, path, selection, dtype, progress, collect, most):
    from pyarrow import types

    names, kinds, n_samples = list(file.schema_arrow.names), list(file.schema_arrow.types), file.metadata.num_rows
    if not names:
        raise ValueError(f"{path}: at least one column is needed, got none")
    if n_samples < 0:
        raise ValueError(f"{path}: damaged: it tells of {n_samples} rows")
    index = index_columns(file.schema_arrow, path)
    texts = [column for column, kind in enumerate(kinds) if _is_text(kind)]
    others = _no_features(kinds, selection, index)
    columns = selection.chosen(names, len(names), index | others, texts)
    features, weights = columns.numbers, columns.weights
    chosen = [*features, *([] if weights is None else [weights]), *columns.texts]
    as_vectors = len(columns.order) == len(features) == 1 and _is_list(kinds[features[0]])
    numbers = chosen[as_vectors : len(chosen) - len(columns.texts)]
    _check_numbers(numbers, columns.texts, names, kinds, selection, path)
    _check_texts(columns.texts, names, kinds, path)
    kind = kinds[features[0]].value_type if as_vectors else None
    if as_vectors and (not _is_number(kind) or types.is_decimal(kind)):
        where = describe(features[0], names)
        raise ValueError(f"{path}: {where} holds lists of {kind}; they must be lists of numbers")
    dtype = narrowest(dtype, bool(features) and all(types.is_float32(kind or kinds[column]) for column in features))
    lenient = selection.prepares and not as_vectors
    table = None if as_vectors else collect(path, names, columns, dtype, n_samples, progress, lenient)
    for start, arrays in _batches(file, path, names, chosen, n_samples, most):
        for array, column in zip(arrays, chosen, strict=True):
            if array.null_count and (not lenient or column == weights):
                row = start + array.is_null().to_pylist().index(True) + 1
                where = f"row {row}, {describe(column, names)}"
                raise ValueError(f"{path}: {where} is empty; every cell must be a finite number")
        block = [_numbers(array) for array in arrays[as_vectors : as_vectors + len(numbers)]]
        cells = [_texts(array) for array in arrays[len(chosen) - len(columns.texts) :]]
        if as_vectors:
            width = table.data.shape[1] if table else len(arrays[0][0])
            vectors = _vectors(arrays[0], width, start, describe(features[0], names), path)
            block = [*vectors.T, *block] if block else vectors
            vector = columns._replace(numbers=features * width, order=features * width)
            table = table or collect(path, names, vector, dtype, n_samples, progress)
        yield from table.add(block, texts=cells)
    if table is None or (not table.data.shape[1] and not columns.texts):
        raise ValueError(f"{path}: {describe(features[0], names)} must hold at least one list with elements, got none")
    notes = left_out([*chosen, *others], names, len(names), index)
    notes += [f"left out: {describe(column, names)}: {why}" for column, why in others.items() if column not in chosen]
    found = table.result(notes)
    yield found._replace(names=None) if as_vectors else found


def _no_features(kinds, selection, index):
    """Dates and such, and why they are no features: in text they would be texts of which nearly all rows differ."""
    if not selection.by_default or selection.categories not in ("auto", "drop"):
        return {}
    others = [i for i, kind in enumerate(kinds) if not (_is_number(kind) or _is_text(kind) or _is_list(kind))]
    return {i: f"it is of type {kinds[i]}, neither numbers nor text" for i in others if i not in index}


def index_columns(schema, path):
    """The columns that pandas wrote as the index of its rows, and why they are no features."""
    try:
        metadata = schema.pandas_metadata or {}
    except ValueError as error:
        raise ValueError(f"{path}: damaged: what pandas noted about the columns is no JSON: {error}") from error
    index = metadata.get("index_columns", []) if isinstance(metadata, dict) else []
    index = {name for name in index if isinstance(name, str)} if isinstance(index, list) else set()
    why = "it is the index of the rows, as pandas writes it"
    return {i: why for i, name in enumerate(schema.names) if name in index or _INDEX.fullmatch(name)}


def _is_list(kind):
    from pyarrow import types

    return types.is_list(kind) or types.is_large_list(kind) or types.is_fixed_size_list(kind)


def _is_number(kind):
    from pyarrow import types

    return types.is_integer(kind) or types.is_floating(kind) or types.is_boolean(kind) or types.is_decimal(kind)


def _is_text(kind):
    from pyarrow import types

    kind = kind.value_type if types.is_dictionary(kind) else kind
    return types.is_string(kind) or types.is_large_string(kind) or types.is_string_view(kind)


def _check_texts(columns, names, kinds, path):
    for index in columns:
        if not _is_text(kinds[index]) and not _is_number(kinds[index]):
            where = describe(index, names)
            raise ValueError(f"{path}: {where} is of type {kinds[index]}; categories must be texts or numbers")


def _texts(array):
    from pyarrow import compute, string, types

    if types.is_boolean(array.type):
        return compute.if_else(array, "True", "False")
    if types.is_integer(array.type):
        return array.cast(string())
    return array if _is_text(array.type) else arrow_texts(_numbers(array))


def _check_numbers(columns, texts, names, kinds, selection, path):
    bad = [index for index in columns if not _is_number(kinds[index])]
    if not bad:
        return
    way_out = "choose columns with --columns"
    numbers = sorted([*texts, *(index for index in columns if _is_number(kinds[index]))])
    if selection.by_default and 0 < len(numbers) < 50:
        way_out = f"--columns {numbered(numbers, len(numbers))} chooses the others"
    if selection.prepares and any(_is_text(kinds[index]) for index in bad):
        way_out += ", --categories auto makes columns of 0 and 1 of texts, --categories drop leaves them out"
    more = f", one of {len(bad)} columns without numbers" if len(bad) > 1 else ""
    raise ValueError(
        f"{path}: {describe(bad[0], names)} is of type {kinds[bad[0]]}{more}; features must be numbers ({way_out})"
    )


def _batches(file, path, names, columns, n_samples, most):
    """(first row, arrays of `columns`) of every batch that has rows, in the order of the rows."""
    # A name that several columns have, or with a dot, which Parquet takes for a path, may give several columns.
    plain = len(set(names)) == len(names) and not any("." in name for name in names)
    order, places, wanted = sorted(set(columns)), columns, None
    if plain and len(order) < len(names):
        places, wanted = np.searchsorted(order, columns).tolist(), [names[index] for index in order]
    start, rows = 0, _ROWS if most is None else _rows_of(file, {names[index] for index in columns}, most)
    for batch in file.iter_batches(rows, columns=wanted):
        if start + len(batch) > n_samples:
            raise ValueError(f"{path}: damaged: there are more rows than the {n_samples:,} it tells of")
        arrays = batch.columns
        if len(batch):
            yield start, [arrays[place] for place in places]
        start += len(batch)
    if start != n_samples:
        raise ValueError(f"{path}: damaged: there are {start:,} rows, and it tells of {n_samples:,}")


def _rows_of(file, names, most):
    """Rows that have at most so many numbers in the columns of these names, as far as the file tells."""
    if not file.metadata.num_row_groups:
        return _ROWS
    group = file.metadata.row_group(0)
    leaves = (group.column(at) for at in range(group.num_columns))
    n_values = sum(leaf.num_values for leaf in leaves if leaf.path_in_schema.split(".")[0] in names)
    return min(_ROWS, max(1, most * group.num_rows // max(1, n_values)))


def _numbers(array):
    from pyarrow import types

    if types.is_decimal(array.type):
        array = array.cast("float64")
    if types.is_boolean(array.type) and array.null_count:
        array = array.cast("uint8")  # which becomes float64 with NaN, not objects with None
    return array.to_numpy(zero_copy_only=False)


def _vectors(array, width, start, where, path):
    """The lists of an array, each of `width` numbers, as rows."""
    import pyarrow.compute

    lengths = pyarrow.compute.list_value_length(array).to_numpy(zero_copy_only=False)
    if (lengths != width).any():
        row = int(np.argmax(lengths != width))
        raise ValueError(
            f"{path}: row {start + row + 1}, {where} has {lengths[row]} elements; all lists must have the same length, "
            f"here {width}"
        )
    values = array.flatten()
    if values.null_count:
        row = start + values.is_null().to_pylist().index(True) // width + 1
        raise ValueError(f"{path}: row {row}, {where} has an empty element")
    return values.to_numpy(zero_copy_only=False).reshape(len(array), width)
