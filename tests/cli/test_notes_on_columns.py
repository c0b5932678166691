"""What the command line says about columns: what it left out, and what it took cells and levels for."""

import numpy as np
import pytest

pandas = pytest.importorskip("pandas")


def test_numbers_with_signs_are_told_from_texts(tmp_path, run, refused):
    """They are no identifiers that are left out, and no levels, without a word."""
    plainly = "write numbers as 12345.67, without signs of money, percent or thousands"
    rows = [f'c{i},"${1000 + i:,}.50",{i % 7}%,{i},"{7_000_000 + i:,}"' for i in range(60)]
    (tmp_path / "money.csv").write_text("\n".join(["id,spend,rate,visits,people", *rows]) + "\n")
    auto = ["--categories", "auto", "--columns"]
    told = run("fit", "money.csv", "-k", "2", *auto, "id,spend,rate,visits", "--model", "m.npz").err
    assert "left out: 'id': more than half of its rows differ" in told
    assert f"left out: 'spend': it is text, as '$1,000.50': {plainly}" in told
    assert f"rate is text, though all of it is numbers ('0%'): {plainly}" in told
    told = run(
        "fit", "money.csv", "-k", "2", "--columns", "rate,visits", "--categories", "rate", "--model", "m.npz"
    ).err
    assert plainly not in told  # the user has named it
    for column, cell in {"people": "7,000,000", "spend": "$1,000.50"}.items():
        said = refused("fit", "money.csv", "-k", "2", "--columns", column)
        assert f"('{column}') is '{cell}'; every cell must be a finite number ({plainly})" in said
    (tmp_path / "both.csv").write_text("spend,visits\n$1,2\n$3,4\n")
    assert f"is text ('$1' in row 2; {plainly})" in refused("fit", "both.csv", "-k", "2")
    (tmp_path / "comma.csv").write_text("spend;visits\n1.000.000,5;2\n3,5;4\n")
    said = refused("fit", "comma.csv", "-k", "2", "--decimal", ",")
    assert "is '1.000.000,5'; every cell must be a finite number (write numbers as 12345,67" in said


def test_an_identifier_is_told_once(tmp_path, run):
    frame = pandas.DataFrame({"row": range(1, 41), "age": np.linspace(0, 1, 40) ** 2})
    frame.to_csv("numbered.csv", index=False)
    told = run("fit", "numbered.csv", "-k", "2", "--model", "m.npz").err
    assert "row differs in every row, as identifiers do: choose columns with --columns." in told
    assert "numbers the rows" not in told
    frame[:10].to_csv("few.csv", index=False)
    assert "feature 1 ('row') numbers the rows" in run("fit", "few.csv", "-k", "2", "--model", "m.npz").err


def test_it_is_said_what_new_levels_count_as(tmp_path, run):
    frame = pandas.DataFrame({"x": range(40), "town": list("abcd") * 10, "kind": ["u", "v"] * 20})
    frame.to_csv("levels.csv", index=False)
    auto = ["--categories", "auto", "--max-categories", "3", "--model", "m.npz"]
    run("fit", "levels.csv", "-k", "2", *auto, "--quiet")
    frame[:3].assign(town=["a", "new", "b"], kind=["u", "v", "other"]).to_csv("new.csv", index=False)
    told = run("predict", "m.npz", "new.csv").err
    assert "column 'town' has levels that the fit has not met ('new'): they count as (rare)\n" in told
    assert "column 'kind' has levels that the fit has not met ('other'): they count as none of its levels\n" in told
