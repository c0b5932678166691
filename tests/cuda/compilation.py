"""What the CUDA kernels take of GPUs that need not be there, by the compiler's word."""

import re
from typing import NamedTuple

from kmeans_fast.kernels.cuda import compiler, sources

# Turing to Blackwell: what NVRTC 13 compiles for and wheels are made for.
ARCHITECTURES = (75, 80, 86, 89, 90, 100, 120)

_USAGE = re.compile(
    r"Compiling entry function '(\w+)'.*?(\d+) bytes stack frame, (\d+) bytes spill stores, (\d+) bytes spill loads"
    r".*?Used (\d+) registers(?:[^\n]*, (\d+) bytes smem)?",
    re.DOTALL,
)


def architectures(module, every=True):
    """Those of `ARCHITECTURES` that a module (`sources.Module`) is compiled for here.

    Turing has not what `tensor_cores.cu` uses. Of a source's choices the first is compiled for all of them. So are the
    others if `every` is true; else each for one, the next choice for the next one.
    """
    least = 80 if "tensor_cores" in sources.MODULES[module.name] else 75
    of_all = [architecture for architecture in ARCHITECTURES if architecture >= least]
    choices = [other for other in sources.every_module() if other.name == module.name]
    number = choices.index(module) if module in choices else 0
    return of_all if every or number == 0 else [of_all[number % len(of_all)]]


class Usage(NamedTuple):
    """What a kernel takes of a multiprocessor."""

    registers: int
    shared_bytes: int
    stack_bytes: int
    spill_bytes: int


def usage(module, architecture):
    """The `Usage` of every kernel of a module (`sources.Module`) on an architecture."""
    log = compiler.compiled(module, architecture).log
    return {
        name: Usage(int(registers), int(shared or 0), int(stack), int(stores) + int(loads))
        for name, stack, stores, loads, registers, shared in _USAGE.findall(log)
    }
