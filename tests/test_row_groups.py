"""Row groups of Parquet larger than a chunk: their parts have the rows of the group, in any order of asking."""

import gc

import numpy as np
import pytest
from numpy.testing import assert_array_equal
from support import run_python

import kmeans_fast
from kmeans_fast import sources

pa, parquet = pytest.importorskip("pyarrow"), pytest.importorskip("pyarrow.parquet")
compute = pytest.importorskip("pyarrow.compute")

N, GROUP, PART = 3000, 1000, 192  # rows
X = np.random.default_rng(0).normal(size=(N, 3)).astype(np.float32)
YEARS = np.random.default_rng(1).integers(0, 9, N)


@pytest.fixture
def path(tmp_path):
    flat = pa.array(X.ravel())
    columns = {**dict(zip(("a", "a.b", "c"), X.T)), "year": YEARS, "word": ["x"] * N}
    columns |= {"fixed": pa.FixedSizeListArray.from_arrays(flat, 3)}
    columns |= {"lists": pa.ListArray.from_arrays(np.arange(0, 3 * N + 1, 3, np.int32), flat)}
    parquet.write_table(pa.table(columns), tmp_path / "x.parquet", row_group_size=GROUP)
    return tmp_path / "x.parquet"


COLUMNS = {"columns": ["c", "a", "a.b"]}, X[:, [2, 0, 1]]
CHOSEN = {
    "columns": (*COLUMNS, slice(None)),
    "lists": ({"columns": ["lists"]}, X, slice(None)),
    "lists of a fixed length": ({"columns": ["fixed"]}, X, slice(None)),
    "tuples": ({"filter": [("year", ">", 3), ("a.b", "<", 0)]}, COLUMNS[1], (YEARS > 3) & (X[:, 1] < 0)),
    "expression": ({"filter": compute.field("year").isin([1, 2])}, COLUMNS[1], np.isin(YEARS, [1, 2])),
    "by position": ({"filter": compute.field(3) == 5}, COLUMNS[1], YEARS == 5),
    "few": ({"filter": [("a", ">", 2), ("c", ">", 1.5)]}, COLUMNS[1], (X[:, 0] > 2) & (X[:, 2] > 1.5)),
}  # fmt: skip


@pytest.mark.parametrize("chosen", CHOSEN)
def test_parts_have_the_rows_of_the_groups_in_any_order_of_asking(path, chosen):
    how, wanted, rows = CHOSEN[chosen]
    source = sources.Parquet(path, **{**COLUMNS[0], **how})
    parts = source.cut(12 * PART)
    assert parts.n_chunks == 18  # of three groups
    wanted = wanted[rows]
    assert_array_equal(np.concatenate(list(source.cut(1 << 30).chunks())), wanted)
    found = [part.copy() for part in parts.chunks()]
    assert_array_equal(np.concatenate(found), wanted)
    assert max(map(len, found)) <= PART
    for number in [5, 5, 4, 17, 0, 3, 9, 10, 6, 17, 1]:
        assert_array_equal(parts.chunk(number), found[number])
        assert parts.told(number)[1] == (1000 * (number // 6) + PART * (number % 6) if "filter" not in how else 0)


@pytest.mark.parametrize("chosen", ["columns", "lists", "tuples"])
def test_a_fit_has_the_bits_of_one_array(monkeypatch, path, chosen):
    monkeypatch.setattr("kmeans_fast.door._ARRAY_SHARE", 0.0)
    monkeypatch.setattr("kmeans_fast.door.chunk_bytes", lambda *most: 12 * PART)
    how, wanted, rows = CHOSEN[chosen]
    found = kmeans_fast.kmeans(sources.Parquet(path, **{**COLUMNS[0], **how}), 5, seed=0)
    one = kmeans_fast.kmeans(np.ascontiguousarray(wanted[rows]), 5, seed=0)
    assert_array_equal(found.centroids, one.centroids)
    assert_array_equal(found.labels, one.labels)


def test_memory_for_a_part_is_all_that_a_large_group_takes(tmp_path):
    values = np.random.default_rng(0).normal(size=(8, 1 << 19))  # 32 MiB
    columns = {str(at): row for at, row in enumerate(values)}
    parquet.write_table(pa.table(columns), tmp_path / "x.parquet", use_dictionary=False, data_page_size=1 << 16)
    np.save(tmp_path / "x.npy", values.T)
    run_python(
        """
        import sys
        import numpy as np
        import pyarrow
        from kmeans_fast import sources

        source, wanted = sources.Parquet(sys.argv[1]).cut(1 << 20), np.load(sys.argv[2], mmap_mode="r")
        for number in (0, 1, 20):
            rows = source.chunk(number)
            assert np.array_equal(rows, wanted[number * len(rows) : (number + 1) * len(rows)])
        taken = pyarrow.default_memory_pool().max_memory()
        assert taken < 8 << 20, taken
        """,
        tmp_path / "x.parquet",
        tmp_path / "x.npy",
    )


def test_a_damaged_group_is_told_of_by_its_file(path):
    content = bytearray(path.read_bytes())
    content[len(content) // 3 : len(content) // 2] = bytes(len(content) // 2 - len(content) // 3)
    path.write_bytes(content)
    source = sources.Parquet(path, **COLUMNS[0]).cut(12 * PART)
    with pytest.raises(ValueError, match=r"x\.parquet: the file is damaged"):
        list(source.chunks())


def test_what_reads_a_group_is_given_back_without_looking_for_garbage(path):
    """Passes that end within a group: what reads it is not in a cycle."""
    source, allocated = sources.Parquet(path, **COLUMNS[0]).cut(12 * PART), []
    gc.disable()
    try:
        for _ in range(4):
            source.chunk(0)
            source.chunk(1)
            allocated.append(pa.total_allocated_bytes())
    finally:
        gc.enable()
    assert allocated[-1] == allocated[0]
