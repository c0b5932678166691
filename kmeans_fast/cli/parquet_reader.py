"""Parquet files in, by pyarrow: columns of numbers, or one column of vectors (embeddings)."""

import numpy as np

from .columns import describe
from .readers import check_finite, narrowest


def read_parquet(path, selection, dtype="auto"):
    """Read the chosen columns of a Parquet file.

    Parameters
    ----------
    path : pathlib.Path
    selection : kmeans_fast.cli.columns.Selection
        Where it comes to one column of lists of equal length, their elements are the features.
    dtype : {"auto", "float32", "float64"}
        auto: float32 if all chosen columns are.

    Returns
    -------
    data : ndarray (n_samples, n_features)
    names : list of str or None
        None for a column of lists.
    weights : ndarray (n_samples,) float64, or None

    Raises
    ------
    ImportError
        Without pyarrow; the message says how to get it.
    ValueError
        For a damaged file, a column that is not of numbers, or a value that is missing, NaN or infinite.
    """
    try:
        import pyarrow
        from pyarrow import parquet
    except ImportError as error:
        raise ImportError("reading Parquet needs pyarrow: pip install 'kmeans-fast[cli]'") from error
    try:
        file = parquet.ParquetFile(path, memory_map=True)
    except pyarrow.ArrowException as error:
        raise ValueError(f"{path}: not a Parquet file: {error}") from error
    with file:
        schema = file.schema_arrow
        names, types = list(schema.names), pyarrow.types
        features, weights = selection.resolve(names, len(names))
        kind = schema.types[features[0]]
        if len(features) == 1 and (types.is_list(kind) or types.is_large_list(kind) or types.is_fixed_size_list(kind)):
            data, feature_names = _vectors(file, path, names, features[0], dtype), None
        else:
            for index in features:
                _check_numbers(schema.types[index], path, names, index)
            data, feature_names = _scalars(file, path, names, features, dtype), [names[index] for index in features]
        if weights is not None:
            _check_numbers(schema.types[weights], path, names, weights)
            weights = _scalars(file, path, names, [weights], "float64")[:, 0].copy()
    return data, feature_names, weights


def _check_numbers(kind, path, names, index):
    from pyarrow import types

    if not (types.is_integer(kind) or types.is_floating(kind) or types.is_boolean(kind) or types.is_decimal(kind)):
        raise ValueError(
            f"{path}: {describe(index, names)} is of type {kind}; features must be numbers (choose columns with "
            "--columns)"
        )


def _check_present(column, path, names, index, start):
    if column.null_count:
        row = start + column.is_null().to_pylist().index(True) + 1
        raise ValueError(f"{path}: row {row}, {describe(index, names)} is empty; every cell must be a finite number")


def _scalars(file, path, names, features, dtype):
    from pyarrow import types

    kinds = [file.schema_arrow.types[index] for index in features]
    dtype = narrowest(dtype, all(types.is_float32(kind) for kind in kinds))
    data = np.empty((file.metadata.num_rows, len(features)), dtype)
    start = 0
    for batch in file.iter_batches(columns=[names[index] for index in features]):
        rows = data[start : start + len(batch)]
        for position, index in enumerate(features):
            column = batch.column(batch.schema.get_field_index(names[index]))
            _check_present(column, path, names, index, start)
            if types.is_decimal(column.type):
                column = column.cast("float64")
            with np.errstate(over="ignore"):  # a value too large for float32 is found below, with its place
                rows[:, position] = column.to_numpy(zero_copy_only=False)
        start += len(batch)
    check_finite(data, path, names, features)
    return data


def _vectors(file, path, names, index, dtype):
    import pyarrow.compute
    from pyarrow import types

    kind = file.schema_arrow.types[index].value_type
    _check_numbers(kind, path, names, index)
    dtype, data, start = narrowest(dtype, types.is_float32(kind)), None, 0
    for batch in file.iter_batches(columns=[names[index]]):
        if len(batch) == 0:
            continue
        column = batch.column(0)
        _check_present(column, path, names, index, start)
        values = column.flatten()
        lengths = pyarrow.compute.list_value_length(column).to_numpy(zero_copy_only=False)
        if data is None:
            data = np.empty((file.metadata.num_rows, lengths[0]), dtype)
        if (lengths != data.shape[1]).any():
            row = int(np.argmax(lengths != data.shape[1]))
            raise ValueError(
                f"{path}: row {start + row + 1}, {describe(index, names)} has {lengths[row]} elements; all lists must "
                f"have the same length, here {data.shape[1]}"
            )
        if values.null_count:
            row = start + values.is_null().to_pylist().index(True) // data.shape[1] + 1
            raise ValueError(f"{path}: row {row}, {describe(index, names)} has an empty element")
        data[start : start + len(batch)] = values.to_numpy(zero_copy_only=False).reshape(len(batch), -1)
        start += len(batch)
    if data is None or data.shape[1] == 0:
        raise ValueError(f"{path}: {describe(index, names)} must hold at least one list with elements, got none")
    check_finite(data, path)
    return data
