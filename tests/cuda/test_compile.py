"""Every CUDA source compiles within its budget and without spills.

Each of its choices does so for an architecture or for all (`compilation.architectures`); with ``--every-architecture``
each does for all, which takes several minutes more. The budget is of registers, shared memory and stack, a little above
what the compiler takes now. A kernel that grows out of it loses resident warps, and that is to be decided, not to
happen. NVRTC needs no GPU for it.
"""

import itertools
from concurrent.futures import ThreadPoolExecutor

import pytest

pytest.importorskip("cuda.bindings.nvrtc", reason="NVRTC is not installed", exc_type=ImportError)

from compilation import architectures, usage
from kmeans_fast.kernels.cuda import compiler, sources

from kmeans_fast.backends.cuda import runs
from kmeans_fast.backends.cuda.scorers import panels, points
from kmeans_fast.backends.cuda.scorers.sums_in_shared_memory import STATIC_SHARED, UPDATE_RESIDENT, UPDATE_SHARED

REGISTERS = 65_536  # of a multiprocessor, and of a block at most; given out eight at a time

# Registers, bytes of static shared memory, bytes of stack; for the greedier of float32 and float64.
BUDGET = {
    "assign/8/32": (168, 38_500, 0), "assign/8/64": (128, 27_000, 0), "assign/8/128": (224, 34_000, 0),
    "assign/4/32": (128, 27_000, 0), "assign/4/64": (128, 27_000, 0), "assign/4/128": (128, 27_000, 0),
    "recheck": (128, 3_200, 0),
    **{f"assign_points/{dim}/{several}": (80 if dim == 4 else 64, (12_500, 18_500)[several], 0)
       for dim in range(1, 5) for several in (0, 1)},
    "pack": (64, 0, 0), "clear": (64, 0, 0), "update": (88, 20_000, 640),
    "relocate": (64, 16, 0),
    "lloyd_runs/1": (128, 32_500, 640), "lloyd_runs/4": (128, 23_500, 640), "lloyd_runs/32": (255, 34_200, 640),
    "filter_rows": (64, 2_100, 0), "update_sums/1": (64, 18_432, 0), "update_sums/4": (64, 18_432, 0),
    "column_ranges": (64, 0, 0), "column_sums": (64, 0, 0), "row_hashes": (64, 18_500, 0), "gather_rows": (64, 0, 0),
    "squared_norms": (64, 17_500, 0), "open_places": (64, 0, 0), "gather_words": (64, 0, 0),
    "own_distances": (64, 20_000, 0), "inertia_bins": (80, 37_000, 0),
    "distance_table": (64, 0, 0), "boxes": (64, 0, 0), "silhouettes": (128, 21_000, 0),
    "divide": (64, 0, 0),
    "fill_buckets": (64, 0, 0), "peak": (64, 0, 0), "weigh": (64, 16, 0), "draw": (64, 2_100, 0),
    "begin": (72, 18_500, 0),
    "fill_hash_buckets": (64, 0, 0), "add_masses": (64, 0, 0), "rows_in_buckets": (64, 0, 0),
    "largest_product": (64, 0, 0), "take_row": (64, 0, 0),
    "likely_centroids": (128, 0, 0),
    "encode_rows": (128, 34_000, 0), "encode_centroids": (64, 16, 0), "settle_candidates": (128, 27_000, 0),
    **{f"byte_filter/{halves}/{ksteps}/{panel}": (128 if ksteps in (1, 2, 4) else 255, 0, 0)
       for halves in (0, 1) for ksteps in sources.KSTEPS for panel in sources.BYTE_PANELS},
    **{f"byte_filter/{halves}/4/{panel}": (128, 0, 40) for halves in (0, 1) for panel in sources.BYTE_PANELS},
    "check_sums": (64, 0, 0),
    "trials": (200, 45_000, 0), "accept": (72, 64, 0), "exclude": (64, 0, 0), "join": (64, 0, 0),
    "widen": (64, 0, 0), "block_sums": (64, 2_100, 0), "prefix_sums": (64, 2_100, 0), "find_buckets": (64, 0, 0),
    "pick_rows": (64, 0, 0), "masses_in_order": (64, 0, 0), "find_rows": (64, 0, 0),
}  # fmt: skip


# Bytes of spills, stores and loads, that a kernel is left: two blocks a multiprocessor leave it registers enough for
# the loop over the panels, and a few words wait in memory from a tile to the next.
SPILLS = {
    **{f"byte_filter/{halves}/4/{panel}": 128 for halves in (0, 1) for panel in sources.BYTE_PANELS},
    "lloyd_runs/1": 16,
}  # fmt: skip


def name_of(module, kernel):
    return "/".join([kernel, *(value for name, value in module.defines if name not in ("REAL", "STORED"))])


def budget(module, kernel):
    return BUDGET.get(name_of(module, kernel)) or BUDGET[kernel]


def _label(module):
    return "-".join([module.name, *(value for _, value in module.defines)])


def _narrow_modules():
    """Every module for every narrow type of X; of many choices the first or the last, in turn."""
    for number, stored in enumerate(sorted(sources.STORED.keys() - sources.REALS)):
        for name in sources.MODULES.keys() - sources.WITHOUT_X:
            of_name = [module for module in sources.every_module([stored]) if module.name == name]
            yield of_name[-(number % 2)]


@pytest.mark.parametrize("module", sorted(_narrow_modules()), ids=_label)
def test_a_module_of_narrow_data_compiles_within_the_same_budget(module):
    _check(module, [90])


@pytest.mark.parametrize("module", list(sources.every_module()), ids=_label)
def test_a_module_compiles_everywhere_within_its_budget(module, request):
    _check(module, architectures(module, request.config.getoption("every_architecture")))


def _check(module, wanted):
    with ThreadPoolExecutor() as pool:
        found = dict(zip(wanted, pool.map(lambda architecture: usage(module, architecture), wanted)))
    for architecture, kernels in found.items():
        assert set(kernels) == set(sources.kernels(module.name))
        for kernel, taken in kernels.items():
            registers, shared_bytes, stack_bytes = budget(module, kernel)
            where = f"{kernel} on sm_{architecture}: {taken}"
            assert taken.registers <= registers, where
            assert taken.shared_bytes <= shared_bytes, where
            assert taken.stack_bytes <= stack_bytes, where
            assert taken.spill_bytes <= SPILLS.get(name_of(module, kernel), 0), where
            assert -(-taken.registers // 8) * 8 * module.threads <= REGISTERS, where


def test_blocks_that_the_planner_counts_on_fit_a_multiprocessor():
    shared = 100 << 10  # of the smallest multiprocessor that there is, but for Turing's 64 KB
    for height, of_panels in panels.RESIDENT.items():
        for panel, blocks in of_panels.items():
            of_kernel = BUDGET[f"assign/{height}/{panel}"]
            assert blocks * of_kernel[0] * sources.THREADS <= REGISTERS
            assert blocks * of_kernel[1] <= shared
    for dim, several in itertools.product(points.BLOCKS, (0, 1)):
        registers, of_kernel, _ = BUDGET[f"assign_points/{dim}/{several}"]
        assert points.BLOCKS[dim] * registers * sources.THREADS <= REGISTERS
        assert of_kernel <= points.SHARED
    for across, blocks in runs.RESIDENT.items():
        registers, shared_bytes, _ = BUDGET[f"lloyd_runs/{across}"]
        assert shared_bytes <= runs.STATIC[across]
        assert blocks * -(-registers // 8) * 8 * sources.THREADS <= REGISTERS
    for columns in sources.CHOICES["update_sums"]["COLUMNS"]:
        registers, shared_bytes, _ = BUDGET[f"update_sums/{columns}"]
        assert shared_bytes <= UPDATE_SHARED
        assert (
            UPDATE_RESIDENT * registers * sources.module("update_sums", "float", COLUMNS=columns).threads <= REGISTERS
        )
    assert max(shared_bytes for _, shared_bytes, _ in BUDGET.values()) <= STATIC_SHARED


@pytest.mark.parametrize("real", sources.REALS)
@pytest.mark.parametrize("name", ["distances", "seeding", "part_masses", "column_statistics", "rows", "centroids"])
def test_subnormal_numbers_stay_and_nothing_is_fused_unasked(monkeypatch, name, real):
    """In the machine code's text form subnormal numbers are not flushed, and float64 has no fused operation."""
    monkeypatch.setattr(compiler, "_target", lambda architecture: (f"-arch=compute_{architecture}", "ptx"))
    text = compiler.compiled(sources.module(name, real), 90).code.decode()
    assert ".ftz" not in text
    assert "fma.rn.f64" not in text
    assert "add.rn.f64" in text or "add.f64" in text or name in ("column_statistics", "rows")


def test_a_source_that_does_not_compile_is_an_error_with_the_log(monkeypatch):
    monkeypatch.setattr(sources, "text", lambda name: "this is not CUDA")
    with pytest.raises(RuntimeError, match="error"):
        compiler.compiled(sources.module("hamerly", "float"), 90)


@pytest.mark.parametrize(
    ("capability", "target"),
    [(90, ("-arch=sm_90", "cubin")), (91, ("-arch=sm_90", "cubin")), (990, ("-arch=compute_121", "ptx"))],
)
def test_what_a_gpu_gets(capability, target):
    option, kind = compiler._target(capability)
    assert kind == target[1]
    assert option == target[0] or kind == "ptx"


def test_an_empty_log_is_written_to_memory_of_its_own(monkeypatch):
    """The bytes object of one space is one for the whole process: written to, it would change everywhere."""
    monkeypatch.setattr(compiler, "_target", lambda architecture: (f"-arch=compute_{architecture}", "ptx"))
    assert compiler.compiled(sources.module("hamerly", "float"), 90).log == ""
    assert ord(bytes([32])) == 32
    assert b"a b".split(bytes([32])) == [b"a", b"b"]


def test_a_gpu_that_is_too_old_is_told_so():
    with pytest.raises(RuntimeError, match=r"compute capability .* and above, the GPU has 3\.5"):
        compiler._target(35)


def test_code_is_kept_for_the_next_process(tmp_path, monkeypatch):
    monkeypatch.setenv("KMEANS_FAST_CACHE_DIR", str(tmp_path))
    first = compiler.binary_file(sources.module("hamerly", "float"), 90)
    assert first.is_relative_to(tmp_path)
    monkeypatch.setattr(compiler, "compiled", None)
    assert compiler.binary_file(sources.module("hamerly", "float"), 90) == first
    with pytest.raises(TypeError):
        compiler.binary_file(sources.module("hamerly", "double"), 90)


def test_without_a_cache_code_is_kept_for_this_process(monkeypatch):
    monkeypatch.setenv("KMEANS_FAST_CACHE_DIR", "")
    path = compiler.binary_file(sources.module("hamerly", "float"), 75)
    assert path.read_bytes()[:4] == b"\x7fELF"
