"""A kernel is compiled anew when code that it is made of has changed, and only then."""

import shutil

import pytest
from support import REPOSITORY, run_python

NAMES = ("exact.distances", "exact.fixed_point", "assignment.dense", "assignment.sorted_1d", "seeding.drawing")
DIGESTS = f"""
from kmeans_fast.kernels.cpu.runtime import digests
print(*(digests.digest("kmeans_fast.kernels.cpu." + name) for name in {NAMES}))
"""
COMPILE = """
import numpy as np
from kmeans_fast import reference
from kmeans_fast.backends.cpu.session import CpuSession
from kmeans_fast.kernels.cpu.runtime import compiling

heard = []
compiling.listeners.append(lambda name, seconds: heard.append(name))
X = np.random.default_rng(0).normal(size=(40, 3))
found = CpuSession(X, None, 4, 1).distances(X[:4], squared=True)
assert (found == reference.squared_distances(X, X[:4])).all()
print(*set(heard))
"""


@pytest.fixture
def copied(tmp_path):
    """A function that runs code on a copy of the library, which may be edited."""
    for part in ("kmeans_fast", "kernels"):
        shutil.copytree(
            REPOSITORY / part, tmp_path / "copy" / part, ignore=shutil.ignore_patterns("__pycache__", "*.cu")
        )

    def run(code):
        first = "import sys; sys.path.insert(0, sys.argv[1]); sys.dont_write_bytecode = True\n"
        return run_python(first + code, tmp_path / "copy", KMEANS_FAST_CACHE_DIR=tmp_path / "cache").split()

    run.kernels = tmp_path / "copy" / "kernels"
    run.cache = tmp_path / "cache"
    return run


def edit(path, old, new):
    text = path.read_text(encoding="utf-8")
    assert old in text
    path.write_text(text.replace(old, new, 1), encoding="utf-8")


def changed(before, after):
    return {name for name, one, other in zip(NAMES, before, after, strict=True) if one != other}


EDITS = {  # file, old, new, whose code it is
    "constant": (
        "cpu/exact/distances.py",
        "_TABLE_VECTORS = 4",
        "_TABLE_VECTORS = 2",
        ("exact.distances", "assignment.dense"),
    ),
    "two modules down": ("cpu/machine/vectors.py", "I32 = ir.IntType(32)", "I32 = ir.IntType(64)", NAMES),
    "field": ("cpu/exact/fixed_point.py", "    high: np.ndarray  # the", "    high_: np.ndarray  # the", NAMES[1:4]),
    "one technique": ("cpu/assignment/sorted_1d.py", "_STEPS_A_CENTROID = 4", "_STEPS_A_CENTROID = 5", NAMES[3:4]),
    "compilation": ("cpu/runtime/functions.py", '"nogil": True', '"nogil": False', NAMES),
    "outside of the rooms": ("scaling.py", "SMALLEST = -1074", "SMALLEST = -1073", NAMES[1:4]),
    "docstring": ("cpu/machine/simd.py", '"""', '"""Another docstring. ', ()),
    "comment": ("cpu/exact/distances.py", "@inner\n", "\n\n# A comment.\n\n@inner\n", ()),
    "nobody's": ("cpu/assignment/kd_tree.py", "TILE = 2 *", "TILE = 4 *", ()),
}


@pytest.mark.parametrize("kind", EDITS)
def test_a_digest_changes_with_the_code_and_only_with_that(copied, kind):
    file, old, new, expected = EDITS[kind]
    before = copied(DIGESTS)
    assert len(set(before)) == len(NAMES)
    edit(copied.kernels / file, old, new)
    assert changed(before, copied(DIGESTS)) == set(expected)
    edit(copied.kernels / file, new, old)
    assert copied(DIGESTS) == before


@pytest.mark.parametrize("damage", [b"", b"garbage", None])
def test_what_is_remembered_of_sources_may_be_damaged(copied, damage):
    before = copied(DIGESTS)
    (file,) = copied.cache.rglob("sources-*.json")
    content = file.read_bytes()
    file.write_bytes(content.replace(b'"cpu.', b'"gpu.') if damage is None else damage)
    assert copied(DIGESTS) == before
    assert sorted(file.read_bytes()) == sorted(content)


def test_a_kernel_outside_of_the_library_has_no_digest():
    run_python("""
        from kmeans_fast.kernels.cpu.runtime import digests
        assert digests.digest("__main__") is digests.digest("kmeans_fast.kernels.cpu.nothing") is None
    """)


def test_compilation_follows_the_digest(copied):
    assert copied(COMPILE) == ["distance_table"]
    assert copied(COMPILE) == []
    edit(copied.kernels / "cpu/exact/distances.py", "import math", "# A comment.\n\nimport math")
    edit(copied.kernels / "cpu/assignment/kd_tree.py", "TILE = 2 *", "TILE = 4 *")
    assert copied(COMPILE) == []
    edit(copied.kernels / "cpu/exact/distances.py", "_TABLE_VECTORS = 4", "_TABLE_VECTORS = 2")
    assert copied(COMPILE) == ["distance_table"]
