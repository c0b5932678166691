"""The commands that fill, show, check and clear the cache of compiled kernels."""

import json
import re

import numpy as np
import pytest
from command_line import check_error, run_process
from kmeans_fast.kernels import cache
from kmeans_fast.kernels.cpu.exact.column_statistics import column_range
from kmeans_fast.kernels.cpu.runtime import code_cache, compiling
from kmeans_fast.kernels.cpu.scoring import byte_codes

from kmeans_fast.backends.cpu.backend import module
from kmeans_fast.cli import compile as compile_command
from kmeans_fast.cli import every_kernel, kernel_cache, main, option_texts


def test_every_kernel_is_put_to_use():
    """A kernel that is new is to be compiled ahead of time too."""
    module("session"), module("problems")
    for use in every_kernel.USES:
        every_kernel.compiled(use)
    ours = {name: symbol for name, symbol in code_cache.functions.items() if name.startswith("kmeans_fast.")}
    functions = {name: symbol.__self__ for name, symbol in ours.items()}
    left = {name for name, one in functions.items() if one._compiled is None or not one.body.overloads}
    assert {name for name in left if byte_codes.AVAILABLE or "byte_codes" not in name} == set()
    assert module("problems").CpuProblems.is_compiled


def test_the_parser_knows_what_there_is():
    assert set(option_texts.COMPILED) == set(every_kernel.USES)


@pytest.fixture
def place(tmp_path, monkeypatch):
    monkeypatch.setenv("KMEANS_FAST_CACHE_DIR", str(tmp_path / "cache"))
    return tmp_path


def test_a_cache_is_filled_shown_checked_and_cleared(place, capsys):
    first = run_process(place, "compile", "silhouettes")
    kernels = int(re.match(r"(\d+) kernels compiled in .* s: ", first.stdout)[1])
    assert kernels > 1
    assert str(place / "cache" / "kernels") in first.stdout
    assert "(100%)" in first.stderr
    assert run_process(place, "compile", "silhouettes", "--quiet").stdout.startswith("0 kernels compiled in ")
    kept = [path for path in (place / "cache" / "kernels").iterdir() if path.suffix == ".nbc"]
    assert not list(place.rglob("*.lock"))

    assert main(["cache"]) == 0
    assert re.search(r"for the CPU +\S+/kernels \(\d+ files, [\d.]+ MiB\)\n", capsys.readouterr().out)
    assert main(["cache", "--check"]) == 0
    assert capsys.readouterr().out.startswith("0 damaged files: ")
    kept[0].write_bytes(kept[0].read_bytes()[:-1])
    kept[1].chmod(0o666)
    assert main(["cache", "--check"]) == 1
    assert set(capsys.readouterr().out.splitlines()[:-1]) == {kept[0].name, kept[1].name}
    (place / "cache" / "kernels" / "mine.txt").write_text("not ours")
    assert main(["cache", "--clear"]) == 0
    assert [path.name for path in (place / "cache" / "kernels").iterdir()] == ["mine.txt"]


def test_where_nothing_can_be_kept_nothing_is_compiled(tmp_path, monkeypatch, capsys):
    monkeypatch.setenv("KMEANS_FAST_CACHE_DIR", "")
    assert main(["compile"]) == 1
    assert "KMEANS_FAST_CACHE_DIR" in check_error(*capsys.readouterr())
    assert main(["cache", "--check"]) == 0
    assert main(["info", "--json"]) == 0
    told = json.loads(capsys.readouterr().out.splitlines()[-1])["kernel_cache"]
    assert told == {"directory": None, "writable": False, "files": 0, "bytes": 0}
    assert not cache.is_writable("kernels")


def test_a_file_that_another_process_removes_meanwhile_is_not_counted(place, monkeypatch):
    for name in ("a.nbc", "b.lock"):
        assert cache.write("kernels", name, b"code")
    listed = kernel_cache._files

    def then_removed(directory):
        found = listed(directory)
        cache.remove("kernels", "b.lock")
        return found

    monkeypatch.setattr(kernel_cache, "_files", then_removed)
    assert kernel_cache.contents()["files"] == 1


def test_what_there_is_not_is_refused_by_name(capsys):
    assert main(["compile", "everything"]) == 2
    assert "must be one of fits, bytes" in check_error(*capsys.readouterr())


def test_kernels_that_cannot_be_kept_are_a_failure(here, monkeypatch, refused):
    monkeypatch.setattr(compile_command, "_compiled_by_processes", lambda jobs, display: (3, False))
    assert "could be kept" in refused("compile", code=1)


def test_code_that_cannot_be_kept_is_counted(here, monkeypatch):
    monkeypatch.setenv("KMEANS_FAST_CACHE_DIR", str(here / "cache"))
    monkeypatch.setattr(code_cache, "functions", dict(code_cache.functions))
    monkeypatch.setattr(cache, "write", lambda *_: False)
    lost, again = len(compiling.lost), type(column_range)(column_range.function)
    again(1, np.ones(4), np.empty(0), 2, 1, np.zeros((1, 2)), np.zeros((1, 2)))
    # The code that all kernels are entered by is lost too where this is the first kernel of the process.
    assert set(compiling.lost[lost:]) - {"entry_code.enter"} == {"column_statistics.column_range"}


def test_a_cache_that_cannot_be_had_is_told_of_in_words(monkeypatch, capsys):
    monkeypatch.setenv("KMEANS_FAST_CACHE_DIR", "")
    for option in ("--clear", "--check"):
        assert main(["cache", option]) == 0
        assert capsys.readouterr().out.endswith(": there is no directory that only you can write to\n")
