"""Files that are not models: a ValueError, and no file is ever run."""

import io
import pickle
import zipfile

import numpy as np
import pytest
from numpy.testing import assert_array_equal
from rewriting import refused, rewrite, rewrite_header
from support import rows

import kmeans_fast
from kmeans_fast import KMeans


@pytest.mark.parametrize("content", [b"", b"text", b"PK\x03\x04", b"\x93NUMPY", b"\0" * 5000], ids=repr)
def test_other_files_are_refused(path, content):
    path.write_bytes(content)
    refused(path)


def test_other_arrays_are_refused(path):
    np.save(path.with_suffix(".npy"), np.eye(3))
    refused(path.with_suffix(".npy"))
    np.savez(path, a=np.eye(3))
    refused(path)


@pytest.mark.parametrize("share", [0.01, 0.1, 0.3, 0.5, 0.7, 0.9, 0.99])
def test_truncated_files_are_refused(model, path, share):
    model.save(path)
    content = path.read_bytes()
    path.write_bytes(content[: int(len(content) * share)])
    refused(path)


def test_any_damaged_byte_is_either_noticed_or_harmless(path):
    model = KMeans(n_clusters=2, random_state=0).fit(rows(5, 1, np.float32))
    model.save(path)
    content, other_errors = path.read_bytes(), {}
    directory = content.index(
        b"PK\x01\x02"
    )  # the archive's table of contents: every byte of it, and a sample of the rest
    for at in [*range(0, directory, 9), *range(directory, len(content))]:
        path.write_bytes(content[:at] + bytes([content[at] ^ 0xFF]) + content[at + 1 :])
        try:
            back = kmeans_fast.load(path)
        except ValueError:
            continue
        except Exception as error:
            other_errors.setdefault(type(error).__name__, (at, str(error)))
        else:
            assert_array_equal(back.cluster_centers_, model.cluster_centers_)
            assert_array_equal(back.labels_, model.labels_)
    assert not other_errors


class Bomb:
    def __reduce__(self):
        return (pytest.fail, ("a pickle was run",))


def test_files_of_the_first_format_are_refused_with_a_way_out(model, path):
    model.save(path)
    rewrite_header(path, format_version=1, arrays=..., preparation=...)
    with pytest.raises(ValueError, match="format version is 1, and only 3 is known here: fit and save the model again"):
        kmeans_fast.load(path)


def test_an_array_header_that_python_cannot_tokenize_is_a_value_error(model, path):
    model.save(path)
    with zipfile.ZipFile(path) as old:
        members = {member: old.read(member) for member in old.namelist()}
    damaged = members["cluster_centers.npy"].replace(b"{", b"(", 1)
    with zipfile.ZipFile(path, "w") as new:
        for member, content in {**members, "cluster_centers.npy": damaged}.items():
            new.writestr(member, content)
    refused(path)


def test_pickles_are_never_run(model, path):
    path.write_bytes(pickle.dumps(Bomb()))
    refused(path)
    model.save(path)
    for name in ("cluster_centers", "labels", "header", "init"):
        rewrite(path, **{name: np.array([Bomb()], dtype=object)})
        refused(path)
        model.save(path)


@pytest.mark.parametrize("name", ["cluster_centers", "labels", "header"])
def test_a_missing_array_is_refused(model, path, name):
    model.save(path)
    rewrite(path, **{name: None})
    refused(path)


@pytest.mark.parametrize(
    ("name", "array"),
    [
        ("cluster_centers", np.zeros((5, 3))),
        ("cluster_centers", np.zeros(4)),
        ("cluster_centers", np.zeros((4, 0))),
        ("cluster_centers", np.zeros((4, 3), int)),
        ("cluster_centers", np.zeros((4, 3), complex)),
        ("cluster_centers", np.full((4, 3), np.nan)),
        ("cluster_centers", np.full((4, 3), "a")),
        ("cluster_centers", np.full((4, 3), 1e200)),
        ("unknown", np.zeros(3)),
        ("labels", np.zeros(60)),
        ("labels", np.zeros((60, 1), np.int32)),
        ("labels", np.full(60, 4, np.int32)),
        ("labels", np.full(60, -1, np.int32)),
        ("init", np.zeros((4, 3))),
        ("init", np.full((4, 3), "a")),
        ("init", np.zeros((4, 2))),
        ("init", np.full((4, 3), np.nan)),
        ("header", np.zeros(3)),
        ("header", np.frombuffer(b"{", np.uint8)),
        ("header", np.frombuffer(b"[]", np.uint8)),
        ("header", np.frombuffer(b"\xff\xfe", np.uint8)),
        ("header", np.frombuffer(b"[" * 200_000, np.uint8)),
        ("header", np.full(2 << 20, 32, np.uint8)),
    ],
    ids=lambda value: value if isinstance(value, str) else f"{value.dtype}{value.shape}",
)
def test_arrays_that_do_not_fit_are_refused(model, path, name, array):
    model.save(path)
    rewrite(path, **{name: array})
    refused(path)


@pytest.mark.parametrize(
    "changes",
    [
        {"format": "other"},
        {"format_version": 4},
        {"format_version": True},
        {"format_version": "1"},
        {"format_version": ...},
        {"parameters": []},
        {"parameters": ...},
        {"parameters": {"n_clusters": 5}},
        {"parameters": {"n_clusters": "4"}},
        {"parameters": {"n_clusters": 4, "tol": {"nested": 1}}},
        {"parameters": {"max_iter": 4}},
        {"parameters": {"n_clusters": 4, "max_iter": 0}},
        {"parameters": {"n_clusters": 4, "callback": None}},
        {"parameters": {"n_clusters": 4, "n_clusterz": 4}},
        {"parameters": {"n_clusters": 4, "tol": 10**400}},
        {"parameters": {"n_clusters": 4, "seed": 3}},
        {"parameters": {"n_clusters": 4, "init": [[1.0]]}},
        {"parameters": {"n_clusters": 4, "init": None}},
        {"arrays": []},
        {"arrays": ...},
        {"more": 1},
        {"preparation": {}},
        {"preparation": ...},
        {"inertia": 10**400},
        {"inertia": float("nan")},
        {"inertia": True},
        {"n_iter": 10**400},
        {"n_iter": 1.5},
        {"inertia": ...},
        {"inertia": "small"},
        {"inertia": None},
        {"n_iter": ...},
        {"n_iter": [1]},
        {"backend": ...},
        {"feature_names": ...},
        {"feature_names": ["a"]},
        {"feature_names": 3},
        {"feature_names": [1, 2, 3]},
    ],
    ids=str,
)
def test_headers_that_do_not_fit_are_refused(model, path, changes):
    model.save(path)
    rewrite_header(path, **changes)
    refused(path)


@pytest.mark.parametrize("name", ["cluster_centers", "labels", "header"])
def test_a_file_that_claims_more_than_it_holds_is_refused_before_memory_is_taken(model, path, name):
    model.save(path)
    claim = io.BytesIO()
    descr = {"cluster_centers": "<f8", "labels": "<i4", "header": "|u1"}[name]
    shape = (2**44, 3) if name == "cluster_centers" else (2**46,)
    np.lib.format.write_array_header_1_0(claim, {"descr": descr, "fortran_order": False, "shape": shape})
    with zipfile.ZipFile(path) as old:
        members = {member: old.read(member) for member in old.namelist()}
    with zipfile.ZipFile(path, "w") as new:
        for member, content in {**members, f"{name}.npy": claim.getvalue()}.items():
            new.writestr(member, content)
    refused(path)
