"""Columns of Arrow as rows of numbers."""

import collections

import numpy as np

HINT = "choose columns of numbers with columns=[...]"


def check_names(names, columns):
    """The columns to read: those, or all of these names.

    Raises
    ------
    ValueError
        If one of them is missing, or there are two of its name.
    """
    found, columns = collections.Counter(names), list(names if columns is None else columns)
    for name in columns:
        if found[name] != 1:
            how_many = "more than one" if name in found else "no"
            raise ValueError(f"{how_many} column {name!r} among {', '.join(map(repr, names[:20]))}")
    return columns


def is_vector(kind):
    """Whether a column holds several numbers a row."""
    import pyarrow.types as types

    return types.is_fixed_size_list(kind) or types.is_list(kind) or types.is_large_list(kind)


def head_of(schema):
    """A table without rows that has these columns; None where one of them holds several features."""
    import pyarrow as pa

    schema = pa.schema(list(schema))
    return None if any(is_vector(field.type) for field in schema) else schema.empty_table()


def dtype_of(schema, where):
    """The dtype that rows with columns of this schema have: NumPy's rule.

    Raises
    ------
    ValueError
        For a column that does not hold numbers.
    """
    import pyarrow.types as types

    found = []
    for field in schema:
        kind = field.type.value_type if is_vector(field.type) or types.is_dictionary(field.type) else field.type
        if types.is_decimal(kind) or types.is_null(kind):
            found.append(np.dtype(np.float64))
        elif types.is_floating(kind) or types.is_integer(kind) or types.is_boolean(kind):
            found.append(np.dtype(kind.to_pandas_dtype()))
        else:
            raise ValueError(f"{where}: column {field.name!r} holds {field.type} and no numbers: {HINT}.")
    if not found:
        raise ValueError(f"{where}: there must be at least one column.")
    found = np.result_type(*found)
    return found if found in (np.float32, np.float64) else np.dtype(np.float64)


def as_rows(table, dtype, where, buffers):
    """A table as an array (n_samples, n_features) of this dtype; what is missing is NaN.

    A column of lists of one length is as many columns as they are long.
    """
    import pyarrow as pa

    if isinstance(table, pa.RecordBatch):
        table = pa.Table.from_batches([table])
    columns = [list(_pieces(column, name, where)) for name, column in zip(table.column_names, table.columns)]
    widths = [pieces[0].shape[1] if pieces and pieces[0].ndim == 2 else 1 for pieces in columns]
    out, first = buffers.empty((table.num_rows, sum(widths)), dtype), 0
    for pieces, width in zip(columns, widths):
        at = 0
        for piece in pieces:
            out[at : at + len(piece), first : first + width] = piece if piece.ndim == 2 else piece[:, None]
            at += len(piece)
        first += width
    return out


def _pieces(column, name, where):
    """One column in NumPy's memory, in arrays (rows,) one after the other; or one (rows, width)."""
    import pyarrow as pa
    import pyarrow.types as types

    kind = column.type
    if is_vector(kind):
        yield _vectors(column, name, where)
        return
    if types.is_dictionary(kind):
        kind = kind.value_type
        column = column.cast(kind)
    if types.is_boolean(kind):
        column = column.cast(pa.uint8())
    if types.is_decimal(kind) or types.is_null(kind) or types.is_boolean(kind):
        column = column.cast(pa.float64())
    for piece in column.chunks:
        yield piece.to_numpy(zero_copy_only=False)


def _vectors(column, name, where):
    """A column of lists as an array (rows, width)."""
    import pyarrow as pa
    import pyarrow.types as types

    kind = column.type
    whole = column.combine_chunks()
    whole = pa.concat_arrays(whole.chunks) if isinstance(whole, pa.ChunkedArray) else whole
    values = whole.flatten()
    width = len(values) // max(1, len(whole))
    if types.is_fixed_size_list(kind):
        width = kind.list_size
    lengths = whole.value_lengths()
    if whole.null_count or (len(whole) and set(lengths.unique().to_pylist()) != {width}):
        raise ValueError(f"{where}: column {name!r} has lists of different lengths, or none, in some rows.")
    return np.concatenate(list(_pieces(pa.chunked_array([values]), name, where))).reshape(len(whole), width)
