"""The quick subset, `pytest -m fast`: every test of most files, each with one or a few of its cases.

New files and tests are in it by themselves. What takes seconds is left out here, and nowhere else.
"""

import math
import zlib

# Files and folders that are left out: processes, compilers, hundreds of fits.
SLOW_FILES = (
    "faults",
    "on_dask/test_dask_faults.py",
    "on_dask/test_ray.py",
    "packaging",
    "reporting/test_report_in_a_browser.py",
    "upstream",
    "cuda/test_sanitizers.py",
    "test_asv.py",
    "test_benchmarks.py",
    "test_code_blocks.py",
    "test_gpu_benchmark.py",
    "test_site.py",
)
SLOW_TESTS = (
    "test_a_cache_is_filled_shown_checked_and_cleared",
    "test_a_fault_in_one_of_our_kernels_is_found",
    "test_a_fit_on_a_cluster_has_the_bits_of_one_array",
    "test_every_kernel_is_put_to_use",
    "test_nothing_is_kept_after_a_fit",
    "test_seeds_and_samples_are_those_of_one_part",
    "test_the_tutorial_prints_its_steps_and_writes_a_page",
    "test_threads_of_the_system_find_a_missing_barrier",
    "test_what_is_compiled_is_announced_and_what_is_loaded_is_not",
)
# Cases of a test, where others have one.
_MORE = {"contract": 3} | dict.fromkeys([f"contract/test_{name}.py" for name in ("extreme_values", "ties")], 1)

_GOLDEN = (math.sqrt(5) - 1) / 2  # its multiples are spread evenly, and keep no step with the order of the cases


def chosen(items, tests):
    """Those of pytest's items that are in the subset; `tests` is the folder of all tests."""
    tests_of = {}
    for item in items:
        file = item.path.relative_to(tests).as_posix()
        name = item.originalname if hasattr(item, "originalname") else item.name
        if not file.startswith(SLOW_FILES) and name not in SLOW_TESTS:
            tests_of.setdefault((file, name), []).append(item)
    found = []
    for (file, name), of_test in tests_of.items():
        first = zlib.crc32(f"{file}::{name}".encode()) / 2**32  # the same cases whatever other tests there are
        cases = _MORE.get(file, _MORE.get(file.split("/")[0], 1))
        for number in range(min(cases, len(of_test))):
            found.append(of_test[int(math.modf(first + number * _GOLDEN)[0] * len(of_test))])
    return found
