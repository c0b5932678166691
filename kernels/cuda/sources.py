"""Which source files make a module, with which choices, and what its kernels take.

The sources are plain CUDA C++ without a single include. A module is its files one after the other, compiled with -D for
each choice and `OPTIONS`. Sizes are run-time arguments, so nothing is compiled anew for another n, d or k.
"""

import functools
import re
from pathlib import Path
from typing import NamedTuple

THREADS = 256  # of a block
# The threads of `update_sums` share the sums of a block: more of them for as much shared memory. Those of
# `byte_centroids` do a panel, while other multiprocessors may have nothing to do.
_OTHER_THREADS = {"update_sums": 512, "byte_centroids": 1024}
BINS = 2176  # of an exact sum (`exact_sum.cu`): exponents of float64, and room for what lies above
TRIALS = 16  # candidates for a seed at most
MOST_CANDIDATES = {True: 8, False: 24}  # that `byte_filter` leaves a row; by whether its words are in registers
_CONSTANTS = {
    "BINS": BINS, "TRIALS": TRIALS, "MOST_CANDIDATES": MOST_CANDIDATES[True],
    "MANY_CANDIDATES": MOST_CANDIDATES[False],
}  # fmt: skip
OPTIONS = (
    "-std=c++17",
    "-fmad=false",  # products and sums are fused only where the source says so: the same bits everywhere
    *(f"-D{name}={value}" for name, value in _CONSTANTS.items()),
)

MODULES = {
    "column_statistics": ("common", "fixed_point", "column_statistics"),
    "rows": ("common", "tiles", "rows"),
    "distances": ("common", "exact_sum", "tiles", "distances"),
    "assign": ("common", "certified", "assign"),
    "byte_rows": ("common", "tiles", "bytes", "byte_codes", "byte_rows"),
    "byte_centroids": ("common", "bytes", "byte_codes", "byte_centroids"),
    "byte_filter": (
        "common",
        "tensor_cores",
        "bytes",
        "certified",
        "byte_operand",
        "byte_queue",
        "byte_fine_scores",
        "byte_conclusion",
        "byte_filter",
    ),
    "byte_sample": ("common", "tensor_cores", "bytes", "byte_operand", "byte_sample"),
    "accumulators": ("common", "tensor_cores", "bytes", "accumulators"),
    "byte_candidates": ("common", "bytes", "certified", "byte_candidates"),
    "update_sums": ("common", "fixed_point", "sums", "update_sums"),
    "points": ("common", "fixed_point", "sums", "points"),
    "centroids": ("common", "fixed_point", "sums", "exact_sum", "means", "centroids"),
    "runs": ("common", "certified", "fixed_point", "sums", "exact_sum", "means", "row_tiles", "runs"),
    "hamerly": ("common", "hamerly"),
    "seeding": ("common", "fixed_point", "tiles", "masses", "mass_scaling", "candidates", "seeding"),
    "silhouettes": ("common", "tiles", "silhouettes"),
    "part_masses": ("common", "fixed_point", "masses", "part_masses", "candidates"),
    "sampling": ("common", "masses", "sampling"),
}
STORED = {
    "float": "float", "double": "double", "float16": "float", "bfloat16": "float", "int8": "float", "uint8": "float",
}  # fmt: skip  # types of X's elements, and what they are computed in
REALS = ("float", "double")
PANELS = (32, 64, 128)  # centroids that `assign` scores together
BYTE_PANELS = (64, 128)  # centroids that `byte_filter` scores together
KSTEPS = (1, 2, 4, 8, 0)  # products that a row takes, of 32 features or of 16 halves; 0: any number
MOST_DIMENSIONS = 4  # of `assign_points`
HEIGHTS = (4, 8)  # rows that a thread of `assign` scores together
ACROSS = (1, 4, 32)  # lanes of a warp of `lloyd_runs` that share a row
CHOICES = {
    "byte_rows": {"HALVES": (0, 1)},
    "byte_centroids": {"HALVES": (0, 1)},
    "byte_sample": {"HALVES": (0, 1)},
    "byte_filter": {"HALVES": (0, 1), "KSTEPS": KSTEPS, "PANEL": BYTE_PANELS},
    "assign": {"PANEL": PANELS, "HEIGHT": HEIGHTS},
    "points": {"DIM": range(1, MOST_DIMENSIONS + 1), "SEVERAL": (0, 1)},
    "runs": {"ACROSS": ACROSS},
    "update_sums": {"COLUMNS": (1, 4)},
}

NEVER = ({"HALVES": 1, "KSTEPS": 0, "PANEL": 128},)  # no registers for wide panels and for totals besides

# Modules that read nothing in X's type; compiled for the first of STORED.
WITHOUT_X = ("accumulators", "byte_filter", "byte_sample", "sampling")

_KERNEL = re.compile(
    r'extern "C" __global__ void\s+(?:__launch_bounds__\([^\n]*?\)\s+)?(\w+)\((.*?)\n?\) \{', re.DOTALL
)
_COMMENT = re.compile(r"//[^\n]*")


class Parameter(NamedTuple):
    """A parameter of a kernel; `type` is the C++ type of its value, or of what it points to."""

    name: str
    type: str
    pointer: bool


class Module(NamedTuple):
    """A module with its choices: what is compiled and loaded as one."""

    name: str
    defines: tuple[tuple[str, str], ...]

    @property
    def options(self):
        return (*OPTIONS, f"-DTHREADS={self.threads}", *(f"-D{name}={value}" for name, value in self.defines))

    @property
    def threads(self):
        """Of every block."""
        return _OTHER_THREADS.get(self.name, THREADS)

    @property
    def stored(self):
        """The type of X's elements, as C++ names it."""
        return dict(self.defines)["STORED"]


@functools.cache
def module(name, stored, **choices):
    """The module `name` for the type of X's elements, a key of `STORED`; ValueError for choices not in `CHOICES`."""
    wanted = CHOICES.get(name, {})
    if stored not in STORED or set(choices) != set(wanted) or any(choices[key] not in wanted[key] for key in wanted):
        raise ValueError(f"module {name!r} takes one of {list(STORED)} and {wanted}; got {stored!r} and {choices}.")
    stored = REALS[0] if name in WITHOUT_X else stored
    types = (("REAL", STORED[stored]), ("STORED", stored))
    return Module(name, (*types, *((key, str(value)) for key, value in sorted(choices.items()))))


def every_module(stored=REALS):
    """All modules with all their choices, for these types of X's elements."""
    for name in MODULES:
        for one_type in stored[:1] if name in WITHOUT_X else stored:
            combinations = [{}]
            for key, values in CHOICES.get(name, {}).items():
                combinations = [{**one, key: value} for one in combinations for value in values]
            yield from (module(name, one_type, **one) for one in combinations if one not in NEVER)


@functools.cache
def text(name):
    """The source of a module."""
    folder = Path(__file__).parent
    parts = []
    for stem in MODULES[name]:
        parts += [f'#line 1 "{stem}.cu"', (folder / f"{stem}.cu").read_text(encoding="utf-8")]
    return "\n".join(parts)


@functools.cache
def kernels(name):
    """The kernels of a module and their parameters: a dict from name to a tuple of `Parameter`."""
    found = {}
    for kernel, parameters in _KERNEL.findall(_COMMENT.sub("", text(name))):
        found[kernel] = tuple(_parameter(declaration) for declaration in parameters.split(","))
    return found


def _parameter(declaration):
    words = declaration.replace("__restrict__", " ").replace("const", " ").replace("*", " * ").split()
    return Parameter(words[-1], " ".join(word for word in words[:-1] if word != "*"), "*" in words)
