"""Parquet files in, by pyarrow: columns of numbers, or one column of vectors (embeddings)."""

import re

import numpy as np

from .checks import check_memory, narrowest, store
from .columns import describe, left_out, numbered

_INDEX = re.compile(r"__index_level_\d+__")  # how pandas calls an index that has no name


def read_parquet(path, selection, dtype="auto", progress=None):
    """Read the chosen columns of a Parquet file.

    Parameters
    ----------
    path : pathlib.Path
    selection : kmeans_fast.cli.readers.columns.Selection
        Where it comes to one column of lists of equal length, their elements are the features.
    dtype : {"auto", "float32", "float64"}
        auto: float32 if all chosen columns are.
    progress : callable, optional

    Returns
    -------
    data : ndarray (n_samples, n_features)
    names : list of str or None
        None for a column of lists.
    weights : ndarray (n_samples,) float64, or None
    notes : list of str

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
        raise ImportError("reading Parquet needs pyarrow: install it (the extra 'cli')") from error
    with open(path, "rb"):  # a file that may not be read is no damaged one
        pass
    try:
        with parquet.ParquetFile(path, memory_map=True, page_checksum_verification=True) as file:
            return _Columns(file, path, progress).read(selection, dtype)
    except MemoryError:
        raise
    except (pyarrow.ArrowException, OSError, UnicodeDecodeError) as error:
        raise ValueError(f"{path}: not a Parquet file, or damaged: {error}") from error


class _Columns:
    """The columns of an open file."""

    def __init__(self, file, path, progress):
        schema = file.schema_arrow
        self.file, self.path, self.progress = file, path, progress
        self.names, self.types = list(schema.names), list(schema.types)
        self.n_samples = file.metadata.num_rows
        self.left_out = self._left_out(schema)

    def _left_out(self, schema):
        """The columns that pandas wrote as the index of its rows."""
        try:
            metadata = schema.pandas_metadata or {}
        except ValueError as error:
            raise ValueError(
                f"{self.path}: damaged: what pandas noted about the columns is no JSON: {error}"
            ) from error
        index = metadata.get("index_columns", []) if isinstance(metadata, dict) else []
        index = {name for name in index if isinstance(name, str)} if isinstance(index, list) else set()
        why = "it is the index of the rows, as pandas writes it"
        return {i: why for i, name in enumerate(self.names) if name in index or _INDEX.fullmatch(name)}

    def read(self, selection, dtype):
        """What `read_parquet` returns."""
        names = self.names
        if not names:
            raise ValueError(f"{self.path}: at least one column is needed, got none")
        if self.n_samples < 0:
            raise ValueError(f"{self.path}: damaged: it tells of {self.n_samples} rows")
        features, weights = selection.resolve(names, len(names), self.left_out)
        chosen = features if weights is None else [*features, weights]
        if len(features) == 1 and self._is_vector(features[0]):
            if weights is not None:
                self._check_numbers([weights], selection)
            data, feature_names = self._vectors(features[0], dtype), None
        else:
            self._check_numbers(chosen, selection)
            data, feature_names = self._scalars(features, dtype), [names[index] for index in features]
        if weights is not None:
            weights = self._scalars([weights], "float64")[:, 0].copy()
        return data, feature_names, weights, self._notes(chosen)

    def _notes(self, chosen):
        unused = set(chosen)
        unused = [index for index in range(len(self.names)) if index not in unused]
        notes = [
            f"left out: {describe(index, self.names)}: {why} (--columns can choose it)"
            for index, why in self.left_out.items()
            if index in unused
        ]
        if rest := [index for index in unused if index not in self.left_out]:
            notes.append(left_out(rest, self.names))
        return notes

    def _is_vector(self, index):
        from pyarrow import types

        kind = self.types[index]
        return types.is_list(kind) or types.is_large_list(kind) or types.is_fixed_size_list(kind)

    def _is_number(self, kind):
        from pyarrow import types

        return types.is_integer(kind) or types.is_floating(kind) or types.is_boolean(kind) or types.is_decimal(kind)

    def _check_numbers(self, columns, selection):
        bad = [index for index in columns if not self._is_number(self.types[index])]
        if not bad:
            return
        way_out = "choose columns with --columns"
        if selection.by_default and len(bad) < len(columns):
            numbers = [index for index in columns if self._is_number(self.types[index])]
            way_out = (
                f"--columns {numbered(numbers, len(numbers))} chooses the others" if len(numbers) < 50 else way_out
            )
        more = f", one of {len(bad)} columns without numbers" if len(bad) > 1 else ""
        raise ValueError(
            f"{self.path}: {describe(bad[0], self.names)} is of type {self.types[bad[0]]}{more}; features must be "
            f"numbers ({way_out})"
        )

    def _batches(self, columns):
        """(first row, arrays of `columns`) of every batch, in the order of the rows."""
        wanted = [self.names[index] for index in sorted(columns)]
        by_name = {name: place for place, name in enumerate(self.names)}
        # A name that several columns have, or with a dot, which Parquet takes for a path, may give several columns.
        plain = len(by_name) == len(self.names) and not any("." in name for name in self.names)
        places = list(columns)
        if plain and len(columns) < len(self.names):
            order = {index: place for place, index in enumerate(sorted(columns))}
            places = [order[index] for index in columns]
        else:
            wanted = None
        start = 0
        for batch in self.file.iter_batches(columns=wanted):
            if start + len(batch) > self.n_samples:
                raise ValueError(f"{self.path}: damaged: there are more rows than the {self.n_samples:,} it tells of")
            arrays = batch.columns
            yield start, [arrays[place] for place in places]
            start += len(batch)
            if self.progress is not None and self.n_samples:
                self.progress(start / self.n_samples, f"{start:,} rows")
        if start != self.n_samples:
            raise ValueError(f"{self.path}: damaged: there are {start:,} rows, and it tells of {self.n_samples:,}")

    def _check_present(self, array, index, start):
        if array.null_count:
            row = start + array.is_null().to_pylist().index(True) + 1
            raise ValueError(
                f"{self.path}: row {row}, {describe(index, self.names)} is empty; every cell must be a finite number"
            )

    def _scalars(self, columns, dtype):
        from pyarrow import types

        dtype = narrowest(dtype, all(types.is_float32(self.types[index]) for index in columns))
        check_memory(self.path, self.n_samples, len(columns), dtype)
        data = np.empty((self.n_samples, len(columns)), dtype)
        for start, arrays in self._batches(columns):
            rows = data[start : start + len(arrays[0])]
            values = rows if dtype == np.float64 else np.empty(rows.shape, self._widest(columns))
            for position, (index, array) in enumerate(zip(columns, arrays, strict=True)):
                self._check_present(array, index, start)
                if types.is_decimal(array.type):
                    array = array.cast("float64")
                values[:, position] = array.to_numpy(zero_copy_only=False)
            store(rows, values, self.path, self.names, columns, start)
        return data

    def _widest(self, columns):
        """What holds the columns' values as they are, or rounded to float64."""
        from pyarrow import types

        return np.float32 if all(types.is_float32(self.types[index]) for index in columns) else np.float64

    def _vectors(self, index, dtype):
        import pyarrow.compute
        from pyarrow import types

        kind, where = self.types[index].value_type, describe(index, self.names)
        if not self._is_number(kind) or types.is_decimal(kind):
            raise ValueError(f"{self.path}: {where} holds lists of {kind}; they must be lists of numbers")
        dtype, data = narrowest(dtype, types.is_float32(kind)), None
        for start, (column,) in self._batches([index]):
            if len(column) == 0:
                continue
            self._check_present(column, index, start)
            values = column.flatten()
            lengths = pyarrow.compute.list_value_length(column).to_numpy(zero_copy_only=False)
            if data is None:
                check_memory(self.path, self.n_samples, int(lengths[0]), dtype)
                data = np.empty((self.n_samples, lengths[0]), dtype)
            if (lengths != data.shape[1]).any():
                row = int(np.argmax(lengths != data.shape[1]))
                raise ValueError(
                    f"{self.path}: row {start + row + 1}, {where} has {lengths[row]} elements; all lists must have the "
                    f"same length, here {data.shape[1]}"
                )
            if values.null_count:
                row = start + values.is_null().to_pylist().index(True) // data.shape[1] + 1
                raise ValueError(f"{self.path}: row {row}, {where} has an empty element")
            block = values.to_numpy(zero_copy_only=False).reshape(len(column), -1)
            store(data[start : start + len(column)], block, self.path, self.names, [index] * data.shape[1], start)
        if data is None or data.shape[1] == 0:
            raise ValueError(f"{self.path}: {where} must hold at least one list with elements, got none")
        return data
