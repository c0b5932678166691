"""The quick subset, `pytest -m fast`: every test of most files, each with one or a few of its cases.

New files and tests are in it by themselves. What takes seconds is left out here, and nowhere else.
"""

import math

# Files and folders that are left out: processes, compilers, hundreds of fits.
SLOW_FILES = (
    "faults",
    "packaging",
    "upstream",
    "cuda/test_compile.py",
    "cuda/test_sanitizers.py",
    "test_asv.py",
    "test_benchmarks.py",
    "test_gpu_benchmark.py",
    "test_readme.py",
)
SLOW_TESTS = ()
_MORE = {"contract": 3}  # cases of a test of this folder, where others have one

_GOLDEN = (math.sqrt(5) - 1) / 2  # its multiples are spread evenly, and keep no step with the order of the cases


def chosen(items, tests):
    """Those of pytest's items that are in the subset; `tests` is the folder of all tests."""
    cases = {}
    for item in items:
        file = item.path.relative_to(tests).as_posix()
        name = item.originalname if hasattr(item, "originalname") else item.name
        if not file.startswith(SLOW_FILES) and name not in SLOW_TESTS:
            cases.setdefault((file, name), []).append(item)
    found, number = [], 0
    for (file, _), of_test in cases.items():
        for _ in range(min(_MORE.get(file.split("/")[0], 1), len(of_test))):
            number += 1
            found.append(of_test[int(math.modf(number * _GOLDEN)[0] * len(of_test))])
    return found
