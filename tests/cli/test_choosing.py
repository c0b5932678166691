"""``kmeans-fast choose-k``, and ``fit`` with several numbers of clusters."""

import json

import numpy as np
import pytest

from kmeans_fast import choose_k
from kmeans_fast.datasets import make_blobs


@pytest.fixture
def blobs(tmp_path, monkeypatch):
    X = make_blobs(600, 3, centers=5, center_box=(-20, 20), random_state=2)[0]
    np.save(tmp_path / "blobs.npy", X)
    monkeypatch.chdir(tmp_path)
    return X


def test_the_table_and_the_next_command_are_printed(blobs, run):
    told = run("choose-k", "blobs.npy", "-k", "2:8", "--seed", "0")
    expected = choose_k(blobs, range(2, 9), seed=0)
    assert expected.n_clusters == 5
    lines = told.out.splitlines()
    assert [line.split()[0] for line in lines[2:9]] == [str(k) for k in range(2, 9)]
    assert lines[5].endswith("<")
    assert f"5 clusters ({expected.confidence})" in lines
    assert lines[-1] == "next  kmeans-fast fit blobs.npy --seed 0 -k 5"
    scaled = run("choose-k", "blobs.npy", "-k=2:6", "--scale", "minmax", "--columns", "1,2", "--search=grid").out
    assert scaled.splitlines()[-1].startswith("next  kmeans-fast fit blobs.npy --scale minmax --columns 1,2 -k ")


def test_json_and_a_picture(blobs, run, tmp_path):
    found = json.loads(run("choose-k", "blobs.npy", "-k", "2,5,9", "--json", "--picture", "choice.svg").out)
    assert found["table"]["k"] == [2, 5, 9]
    assert found["n_clusters"] == 5
    assert "<svg" in (tmp_path / "choice.svg").read_text()


def test_searches_and_scaling(blobs, run):
    told = json.loads(
        run("choose-k", "blobs.npy", "-k", "2:40", "--search", "bisect", "--scale", "standard", "--json").out
    )
    assert told["n_clusters"] == 5
    assert len(told["table"]["k"]) < 15
    told = json.loads(run("choose-k", "blobs.npy", "--search", "random", "--trials", "3", "--json").out)
    assert len(told["table"]["k"]) == 3


def test_fit_chooses_first(blobs, run, tmp_path):
    told = run("fit", "blobs.npy", "-k", "2:8", "--labels", "chosen.npy")
    assert "5 clusters" in told.err
    run("fit", "blobs.npy", "-k", "5", "--labels", "given.npy")
    np.testing.assert_array_equal(np.load(tmp_path / "chosen.npy"), np.load(tmp_path / "given.npy"))


@pytest.mark.parametrize(
    ("args", "message"),
    [
        (["choose-k", "blobs.npy", "-k", "8:2"], "must be numbers such as 2:20"),
        (["choose-k", "blobs.npy", "-k", "0:4"], "must be numbers such as 2:20"),
        (["choose-k", "blobs.npy", "-k", "2:9999999999"], "must be at most 100,000 numbers"),
        (["choose-k", "blobs.npy", "-k", "2:700"], "-k must be at most the number of rows, 600, got 700"),
        (
            ["choose-k", "blobs.npy", "--trials", "0", "--search", "random"],
            "argument --trials: must be a whole number of at least 1, got '0'",
        ),
        (["choose-k", "blobs.npy", "--picture", "choice.jpg"], "must end in .png or .svg"),
        (["choose-k", "blobs.npy", "--picture", "no/choice.png"], "does not exist"),
        (["fit", "blobs.npy", "-k", "2:700"], "-k must be at most the number of rows, 600, got 700"),
        (["fit", "blobs.npy", "-k", "2:5", "--init", "blobs.npy"], "-k must be one number"),
    ],
)
def test_wrong_use_ends_with_code_2(blobs, args, message, refused):
    assert message in refused(*args)


def test_weights_are_not_left_out_in_silence(blobs, refused, tmp_path):
    np.save(tmp_path / "w.npy", np.ones(600))
    message = refused("fit", "blobs.npy", "-k", "2:5", "--weights", "w.npy")
    assert "-k must be one number: a choice takes no --weights" in message


def test_numbers_may_be_given_downwards_and_options_are_not_abbreviated(blobs, run, refused):
    assert "6  " in run("choose-k", "blobs.npy", "-k", "6:2:-2", "--quiet").out
    assert "--pict" in refused("choose-k", "blobs.npy", "--pict", "a.png")


@pytest.mark.parametrize("n", [1, 2, 5, 30])
def test_few_rows_are_asked_for_few_clusters(tmp_path, run, n):
    """-k is 2:20 where it is not given, and five rows have no 20 clusters."""
    np.save(tmp_path / "few.npy", np.random.default_rng(0).normal(size=(n, 2)))
    tried = json.loads(run("choose-k", "few.npy", "--json").out)["table"]["k"]
    assert tried == {1: [1], 2: [2], 5: [2, 3, 4], 30: list(range(2, 21))}[n]
    if n == 5:
        pytest.importorskip("jinja2", reason="reports need Jinja2")
        run("report", "few.npy", "--quiet")
