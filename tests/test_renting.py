"""What compiled kernels cost and when they are bought: never more than twice the best in hindsight."""

import functools
import json
import shutil

import numpy as np
import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from kmeans_fast.kernels import cache
from kmeans_fast.kernels.cpu.runtime.digests import DIRECTORY
from support import run_python

from kmeans_fast.backends import renting, select
from kmeans_fast.backends.cpu import readiness
from kmeans_fast.backends.cpu.backend import NEEDED
from kmeans_fast.backends.protocol import Problem

SECONDS = st.floats(0, 20, allow_subnormal=False)


class Clock:
    """It stands still but for `passes`."""

    now = 0.0

    def __call__(self):
        return self.now

    def passes(self, seconds):
        self.now += seconds


# ---- the rule of twice ---------------------------------------------------------------------------------------------


@given(st.lists(st.tuples(SECONDS, st.floats(0, 1)), max_size=30), st.floats(0.01, 20))
def test_never_more_than_twice_the_best_in_hindsight(steps, price):
    """Steps of fits: seconds in NumPy, and the share of them that kernels take."""
    clock = Clock()
    accounts, bought = renting.Accounts([renting.Account(NEEDED, price)], clock), False
    for number, (seconds, share) in enumerate(steps):
        if not bought and accounts.due(number, seconds):
            bought = True
            clock.passes(price)
        if bought:
            clock.passes(seconds * share)
        else:
            accounts.paid(number, clock.passes, seconds)
    slow, quick = np.array([seconds for seconds, _ in steps]), np.array([a * b for a, b in steps])
    best = min([slow.sum()] + [slow[:at].sum() + price + quick[at:].sum() for at in range(len(steps))])
    assert clock.now <= 2 * best * (1 + 1e-12)


@given(st.lists(st.tuples(SECONDS, st.floats(0, 1), st.sets(st.sampled_from("abc"))), max_size=30))
@example([(1.0, 0.0, {*"abc"}), (19.0, 0.0, {*"abc"}), (1.0, 0.0, {*"abc"})])
@example([(19.0, 0.0, {*"abc"}), (59.0, 0.0, {*"abc"}), (20.0, 0.0, {*"c"})])
@example([(12.0, 0.0, {*"ac"}), (12.0, 0.0, {*"bc"}), (4.0, 0.0, {*"a"}), (4.0, 0.0, {*"b"}), (9.0, 0.0, {*"c"})])
def test_never_more_than_twice_waiting_or_not_waiting_where_techniques_are_missing(steps):
    """Steps: seconds without the techniques that they would use, and the share of them that they take with all."""
    clock, prices = Clock(), {"a": 1.0, "b": 5.0, "c": 20.0}
    still = {name: renting.Account(name, price) for name, price in prices.items()}
    for number, (seconds, share, uses) in enumerate(steps):
        accounts = renting.Accounts([still[name] for name in sorted(uses & still.keys())], clock)
        if accounts.open and not accounts.due(number, seconds):
            accounts.paid(number, clock.passes, seconds)
            continue
        for account in accounts.open:
            clock.passes(account.price)
            del still[account.technique]
        clock.passes(seconds * share)
    never = sum(seconds if uses else seconds * share for seconds, share, uses in steps)
    used = set().union(*(uses for _, _, uses in steps))
    wait = sum(prices[name] for name in used) + sum(seconds * share for seconds, share, _ in steps)
    assert clock.now <= 2 * min(never, wait) * (1 + 1e-12)


def test_a_step_that_is_known_is_expected_to_take_what_it_took():
    clock = Clock()
    accounts = renting.Accounts([renting.Account(NEEDED, 10.0)], clock)
    assert not accounts.due("step", 0.0)
    accounts.paid("step", clock.passes, 6.0)
    assert accounts.due("step", 0.0)
    assert not accounts.due("another", 1.0)


def test_a_step_in_parts_is_expected_to_take_what_all_of_them_took():
    clock = Clock()
    accounts = renting.Accounts([renting.Account("", 10.0)], clock)
    accounts.paid("step", clock.passes, 1.0)
    accounts.paid("step", clock.passes, 4.0, more=True)
    assert not accounts.due("step", 0.0)
    accounts.paid("another", clock.passes, 0.5)
    assert accounts.due("step", 0.0)


def test_compiling_is_not_rent(monkeypatch):
    monkeypatch.setattr(renting.cache, "write", lambda *arguments: None)
    before = renting.clock()
    renting._learn("assign", 100.0)
    assert renting.clock() < before - 90


def test_time_of_a_step_that_fails_is_rent():
    clock = Clock()
    account = renting.Account(NEEDED, 10.0)

    def fails():
        clock.passes(3.0)
        raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        renting.Accounts([account], clock).paid("step", fails)
    assert account.rent == 3.0


# ---- accounts --------------------------------------------------------------------------------------------------------


@pytest.fixture
def nothing_loaded(monkeypatch):
    """As in a new process that nobody has told to wait for kernels."""
    monkeypatch.delenv(renting.ENVIRONMENT, raising=False)
    monkeypatch.setattr(renting, "_loaded", lambda: False)
    for name in ("_accounts", "_settled", "_bought", "_not_to_be_had"):
        monkeypatch.setattr(renting, name, type(getattr(renting, name))())


@pytest.fixture
def nothing_kept(nothing_loaded, monkeypatch):
    """No kernel is on disk either."""
    monkeypatch.setattr(renting, "_nothing_kept", lambda: True)


@pytest.fixture
def all_kept(nothing_loaded, monkeypatch):
    """All kernels are on disk."""
    monkeypatch.setattr(renting, "_nothing_kept", lambda: False)
    monkeypatch.setattr(readiness, "missing", lambda problem: [])


def test_for_kernels_that_are_not_to_be_had_nothing_is_paid(nothing_kept):
    sizes = Problem(300, 3, 6, np.dtype(np.float32))
    assert renting.accounts_for(sizes).rents_numpy
    renting.give_up("it is damaged")
    assert not renting.accounts_for(sizes).open


def test_what_another_thread_has_bought_is_not_bought_again(nothing_kept, caplog):
    sizes = Problem(300, 3, 6, np.dtype(np.float32))
    accounts = renting.accounts_for(sizes)
    with caplog.at_level("INFO", "kmeans_fast"):
        renting.buy(accounts.open, sizes)
        renting.buy(accounts.open, sizes)
    assert accounts.closed
    assert caplog.text.count("compiled from now on") == 1


def test_small_problems_rent_until_loading_kernels_pays_and_large_ones_begin_with_it(all_kept, caplog):
    small, large = (Problem(n, 3, 6, np.dtype(np.float32)) for n in (300, 100_000_000))
    assert not renting.accounts_for(large).open
    accounts = renting.accounts_for(small)
    (account,) = accounts.open
    assert account is renting.accounts_for(small._replace(weighted=True, dtype=np.dtype(np.float64))).open[0]
    assert account.price == renting.price_of_loading()
    assert "kernels are loaded once NumPy has taken" in account.note
    assert select(small).name == "numpy"
    assert "to load its kernels would take about" in select(small).instead
    with caplog.at_level("INFO", "kmeans_fast"):
        renting.buy(accounts.open, small)
    assert accounts.closed
    assert caplog.text.count("kernels are loaded from now on: NumPy has taken 0.0 s") == 1


def test_what_others_have_loaded_is_not_paid_for(all_kept, monkeypatch):
    sizes = Problem(300, 3, 6, np.dtype(np.float32))
    accounts = renting.accounts_for(sizes)
    monkeypatch.setattr(renting, "_loaded", lambda: True)
    assert not renting.accounts_for(sizes).open
    assert accounts.closed


def test_loading_is_dearer_where_compiling_is(monkeypatch):
    monkeypatch.setattr(renting, "learnt", dict)
    assert renting.price_of_loading() == renting._LOADING
    monkeypatch.setattr(renting, "learnt", lambda: {name: 3 * seconds for name, seconds in renting._FIT.items()})
    assert renting.price_of_loading() == pytest.approx(3 * renting._LOADING)


def test_what_is_missing_is_found_also_while_another_thread_looks_anew(monkeypatch):
    class Forgotten(dict):
        def __setitem__(self, key, value):
            pass

    monkeypatch.setattr(readiness, "_absent", Forgotten())
    monkeypatch.setattr(readiness, "_ready", set())
    monkeypatch.setattr(readiness, "_first_lacking", lambda *arguments: "assign")
    found = readiness.missing(Problem(300, 3, 6, np.dtype(np.float32)))
    assert [one.kernel for one in found if one.technique == NEEDED] == ["assign"]


def test_where_scores_of_numpy_have_no_proved_bound_nothing_is_rented(nothing_kept):
    for n_features, name in ((2**21 - 1, "numpy"), (2**21, "cpu")):
        assert select(Problem(50, n_features, 4, np.dtype(np.float32)), "cpu").name == name


# ---- what compiling costs ------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"{",
        b"[]",
        b"7",
        b'{"assign": "x"}',
        b'{"assign": null}',
        b"\xff",
        b'{"assign": [1]}',
        b'{"assign": 1%b}' % (b"0" * 400),
        b"[" * 100_000,
    ],
)
def test_a_damaged_file_of_times_is_no_file(monkeypatch, content):
    monkeypatch.setattr(renting.cache, "read", lambda name, file: content)
    assert renting.learnt() == {}


def test_times_are_learnt(monkeypatch, tmp_path):
    monkeypatch.setenv("KMEANS_FAST_CACHE_DIR", str(tmp_path))
    usual = renting.price("threads")
    for name, seconds in (("assign", None), ("assign", 30.0), ("means", 0.25), ("other", 1.0)):
        renting._learn(name, seconds)
    assert renting.learnt() == {"assign": 30.0, "means": 0.25, "other": 1.0}
    assert renting.price("threads") == pytest.approx(
        usual + 30.0 - renting._FIT["assign"] + 0.25 - renting._FIT["means"]
    )
    assert renting.price("assign") == pytest.approx(30.25)
    assert renting.price("accept") == 0.3
    assert renting.price("grow_tree") == renting.price("") == 3.0
    file = next(tmp_path.rglob(renting._TIMES))
    file.write_text(json.dumps({"assign": 1e9, "means": -1, "pack": 0.5, "weigh": float("nan")}))
    assert renting.learnt() == {"pack": 0.5}
    file.chmod(0o666)  # others might have written it
    assert renting.learnt() == {}


# ---- which, in a new process ---------------------------------------------------------------------------------------

FIT = """
import logging, sys
import numpy as np
import kmeans_fast
from kmeans_fast.backends import renting

renting._LOADING = float(sys.argv[2])
lines = []
logger = logging.getLogger("kmeans_fast")
logger.setLevel(logging.INFO)
logger.addHandler(type("Keep", (logging.Handler,), {"emit": lambda self, record: lines.append(record.getMessage())})())
X = np.random.default_rng(0).normal(size=(400, 3)).astype(np.float32)
model = kmeans_fast.KMeans(4, random_state=0, device=sys.argv[1]).fit(X)
print(model.backend_, "numba" in sys.modules, len(lines), {step.path for step in model.history_}, *lines)
print(kmeans_fast.explain(X, 4))
"""
in_new_process = functools.partial(run_python, FIT, KMEANS_FAST_WAIT="")


@pytest.mark.parametrize("device", ["auto", "cpu"])
def test_where_no_kernel_is_kept_numpy_answers_without_numba(tmp_path, device):
    printed = in_new_process(device, "0.3", KMEANS_FAST_CACHE_DIR=tmp_path)
    price = f"{sum(renting._FIT.values()):.0f} s"
    assert printed.startswith(
        f"numpy False 1 {{'numpy, float32'}} NumPy begins: to compile kernels would take about {price}\n"
    )
    assert f"  cpu: to compile its kernels would take about {price}; NumPy begins\n* numpy: " in printed
    assert f"once NumPy has taken {price} in this process, as long as that would take; so far" in printed


def test_where_only_kernels_of_techniques_are_missing_others_answer(tmp_path):
    code = """
        import logging, sys
        import numpy as np
        import kmeans_fast
        from kmeans_fast.kernels.cpu.runtime import compiling

        from kmeans_fast.backends import renting

        renting._LOADING, compiled = 0.0, []
        compiling.listeners.append(lambda name, seconds: compiled.append(name))
        X = np.random.default_rng(0).normal(size=(9000, 40)).astype(np.float32)
        model = kmeans_fast.KMeans(int(sys.argv[1]), init=X[:int(sys.argv[1])], max_iter=5, device="cpu").fit(X)
        print(model.backend_, {step.path for step in model.history_}, len(compiled))
        print(kmeans_fast.explain(X, int(sys.argv[1])))
        """
    assert run_python(code, "80").split()[0] == "cpu"
    (tmp_path / DIRECTORY).mkdir(mode=0o700)
    for file in cache.directory(DIRECTORY).glob("*.nbc"):  # not what other processes are writing
        if not file.name.startswith(("hamerly.", "exponion.", "byte_", "encod")):
            shutil.copy(file, tmp_path / DIRECTORY)
    printed = run_python(code, "80", KMEANS_FAST_WAIT="", KMEANS_FAST_CACHE_DIR=tmp_path)
    assert printed.startswith("cpu {'float32'} 0\n"), printed
    assert "* cpu: float32; " in printed
    assert "are compiled once steps without them have taken 3 s in this process, as long as that would take;" in printed


def test_kernels_that_are_kept_are_used_at_once_or_once_loading_pays():
    run_python(FIT, "cpu", "0")  # compiles them, if no test has yet
    assert in_new_process("cpu", "0").startswith("cpu True 0 {'float32'}")
    printed = in_new_process("cpu", "1e9")
    assert printed.startswith("numpy False 1 {'numpy, float32'} NumPy begins: to load kernels would take about ")
    assert "kernels are loaded once NumPy has taken" in printed


def test_a_process_of_small_fits_changes_over_to_kernels_that_are_kept():
    code = """
        import numpy as np
        import kmeans_fast

        X, ran = np.random.default_rng(0).normal(size=(400, 3)).astype(np.float32), []
        while "cpu" not in ran:
            ran.append(kmeans_fast.KMeans(4, random_state=0, device="cpu").fit(X).backend_)
        print(ran[0], ran.index("cpu") > 1)
        """
    assert run_python(code, KMEANS_FAST_WAIT="") == "numpy True\n"


def test_a_backend_that_is_forced_and_a_wish_to_wait_are_heard(tmp_path):
    code = """
        import kmeans_fast
        from kmeans_fast.backends import select
        from kmeans_fast.backends.protocol import Problem
        import numpy as np
        print(select(Problem(50, 3, 4, np.dtype(np.float32))).name)
        with kmeans_fast.use_backend("cpu"):
            print(select(Problem(50, 3, 4, np.dtype(np.float32))).name)
        """
    for wait, wanted in (("", "numpy cpu"), ("1", "cpu cpu")):
        printed = run_python(code, KMEANS_FAST_WAIT=wait, KMEANS_FAST_CACHE_DIR=tmp_path)
        assert printed.split() == wanted.split()
