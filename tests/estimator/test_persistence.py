"""Model files: what was saved comes back bit for bit; anything else is a ValueError, and no file is ever run."""

import io
import json
import pickle
import zipfile

import numpy as np
import pytest
from numpy.testing import assert_array_equal
from support import DTYPES, rows

import kmeans_fast
from kmeans_fast import KMeans


@pytest.fixture(params=DTYPES)
def X(request):
    return rows(60, 3, request.param)


@pytest.fixture
def model(X):
    return KMeans(n_clusters=4, random_state=7, tol=1e-3, n_threads=2, init_size=50, refine="breathing").fit(X)


@pytest.fixture
def path(tmp_path):
    return tmp_path / "model.npz"


def rewrite(path, **changes):
    """The file with some of its arrays replaced; None leaves one out."""
    with np.load(path) as archive:
        arrays = {**archive, **changes}
    np.savez(path, **{name: array for name, array in arrays.items() if array is not None})


def rewrite_header(path, **changes):
    with np.load(path) as archive:
        header = {**json.loads(archive["header"].tobytes()), **changes}
    kept = {name: value for name, value in header.items() if value is not ...}
    rewrite(path, header=np.frombuffer(json.dumps(kept).encode(), np.uint8))


def refused(path):
    with pytest.raises(ValueError, match=r"."):
        kmeans_fast.load(path)


def test_a_saved_model_comes_back_bit_for_bit(X, model, path):
    model.save(path)
    for back in (kmeans_fast.load(path), KMeans.load(path), kmeans_fast.load(str(path))):
        assert type(back) is KMeans
        assert back.get_params() == model.get_params()
        assert_array_equal(back.cluster_centers_, model.cluster_centers_)
        assert back.cluster_centers_.dtype == X.dtype
        assert_array_equal(back.labels_, model.labels_)
        assert back.labels_.dtype == np.int32
        assert (back.inertia_, back.n_iter_, back.backend_) == (model.inertia_, model.n_iter_, model.backend_)
        assert back.n_features_in_ == 3
        assert_array_equal(back.predict(X), model.labels_)
        assert_array_equal(back.transform(X), model.transform(X))
        assert_array_equal(back.get_feature_names_out(), model.get_feature_names_out())


def test_a_loaded_model_can_be_saved_cloned_and_fitted_again(X, model, path):
    model.save(path)
    back = kmeans_fast.load(path)
    back.save(path)
    assert_array_equal(kmeans_fast.load(path).fit(X).cluster_centers_, model.cluster_centers_)
    back.cluster_centers_[0, 0] = 1.0


def test_subclasses_load_as_themselves(model, path):
    class Special(KMeans):
        pass

    model.save(path)
    assert type(Special.load(path)) is Special


def test_feature_names_are_kept(model, path, X):
    pandas = pytest.importorskip("pandas")
    frame = pandas.DataFrame(X, columns=["a", "b", "\N{GREEK SMALL LETTER GAMMA}"])
    model.fit(frame).save(path)
    assert list(kmeans_fast.load(path).feature_names_in_) == list(frame.columns)


def test_init_arrays_are_kept(model, path, X):
    model.set_params(init=X[:4], n_init=1).fit(X).save(path)
    back = kmeans_fast.load(path)
    assert_array_equal(back.init, X[:4])
    assert_array_equal(back.fit(X).cluster_centers_, model.cluster_centers_)


@pytest.mark.parametrize("value", [np.int64(4), np.uint8(4)])
def test_numpy_scalars_as_parameters_are_kept_as_numbers(path, X, value):
    KMeans(n_clusters=value, tol=np.float32(1e-3), random_state=np.int64(3), init=np.str_("random")).fit(X).save(path)
    back = kmeans_fast.load(path)
    assert (back.n_clusters, back.random_state, back.init) == (4, 3, "random")


def test_a_callable_init_cannot_be_saved(model, path):
    model.init = lambda X, k, random_state: X[:k]
    with pytest.raises(ValueError, match="callable"):
        model.save(path)
    assert not path.exists()


def test_a_failed_save_leaves_the_old_file_and_no_other(monkeypatch, model, path):
    model.save(path)
    before = path.read_bytes()
    monkeypatch.setattr(np, "savez", lambda file, **arrays: file.write(b"half") and 1 / 0)
    with pytest.raises(ZeroDivisionError):
        model.save(path)
    assert path.read_bytes() == before
    assert [p.name for p in path.parent.iterdir()] == ["model.npz"]


def test_a_missing_file_is_reported_as_missing(path):
    with pytest.raises(FileNotFoundError):
        kmeans_fast.load(path)


# ---- files that are not models -------------------------------------------------------------------------------------


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
        ("labels", np.zeros(60)),
        ("labels", np.zeros((60, 1), np.int32)),
        ("labels", np.full(60, 4, np.int32)),
        ("labels", np.full(60, -1, np.int32)),
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
        {"format_version": 2},
        {"format_version": "1"},
        {"format_version": ...},
        {"parameters": []},
        {"parameters": ...},
        {"parameters": {"n_clusters": 5}},
        {"parameters": {"n_clusters": "4"}},
        {"parameters": {"n_clusters": 4, "tol": {"nested": 1}}},
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
