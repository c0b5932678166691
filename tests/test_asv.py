"""Every asv benchmark runs once, on tiny sizes: what nobody runs is broken by the time somebody needs it."""

import importlib
import importlib.util
import inspect
import itertools
import json
import re
import sys
from pathlib import Path

import pytest

BENCHMARKS = Path(__file__).parents[1] / "benchmarks"
PACKAGE = "kmeans_fast_asv"  # the directory is called asv, and so is the tool
METHODS = re.compile("(time|track|peakmem)_")
STEMS = sorted(path.stem for path in (BENCHMARKS / "asv").glob("*.py") if path.stem != "__init__")


@pytest.fixture(scope="module")
def modules():
    """The benchmark modules by stem, imported with tiny sizes."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("KMEANS_FAST_BENCH", "tiny")
        initial = BENCHMARKS / "asv" / "__init__.py"
        spec = importlib.util.spec_from_file_location(
            PACKAGE, initial, submodule_search_locations=[str(initial.parent)]
        )
        patch.setitem(sys.modules, PACKAGE, importlib.util.module_from_spec(spec))
        yield {stem: importlib.import_module(f"{PACKAGE}.{stem}") for stem in STEMS}
        for name in [name for name in sys.modules if name.startswith(PACKAGE + ".")]:
            del sys.modules[name]


def classes(module):
    found = (value for name, value in vars(module).items() if inspect.isclass(value) and not name.startswith("_"))
    return [value for value in found if value.__module__ == module.__name__]


def methods(cls):
    return [name for name in dir(cls) if METHODS.match(name)]


def combinations(cls):
    """Parameters as asv combines them: a list of lists, or one list."""
    params = getattr(cls, "params", ())
    if params and isinstance(params[0], str):
        params = [params]
    return list(itertools.product(*params))


@pytest.mark.parametrize("stem", STEMS)
def test_every_benchmark_runs(modules, stem, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)  # asv too runs benchmarks in a directory of their own
    if stem == "imports":
        monkeypatch.delenv("KMEANS_FAST_WAIT")  # its first fit need not wait for compilers here
    for cls in classes(modules[stem]):
        cache = [cls().setup_cache()] if hasattr(cls, "setup_cache") else []
        for values in combinations(cls):
            benchmark = cls()
            if hasattr(benchmark, "setup"):
                benchmark.setup(*cache, *values)
            for name in methods(cls):
                result = getattr(benchmark, name)(*cache, *values)
                assert not name.startswith("track_") or result >= 0, f"{cls.__name__}.{name}{values}: {result!r}"


def test_every_family_has_a_benchmark(modules):
    found = {stem for stem, module in modules.items() if any(map(methods, classes(module)))}
    assert found == {"assign", "lloyd", "seeding", "transform", "imports", "memory"}


def test_configuration():
    text = (BENCHMARKS / "asv.conf.json").read_text()
    configuration = json.loads(re.sub(r"^\s*//.*$", "", text, flags=re.MULTILINE))
    assert (BENCHMARKS / configuration["benchmark_dir"]).is_dir()
    assert (BENCHMARKS / configuration["repo"] / "kmeans_fast").is_dir()
