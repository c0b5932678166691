"""Compiles the CUDA sources for GPUs that need not be there, by NVRTC."""

import re
from typing import NamedTuple

from kmeans_fast.kernels.cuda import sources

ARCHITECTURES = (75, 80, 86, 89, 90, 100, 120)  # Turing to Blackwell: what NVRTC 13 compiles for and wheels are made for

_USAGE = re.compile(
    r"Compiling entry function '(\w+)'.*?(\d+) bytes stack frame, (\d+) bytes spill stores, (\d+) bytes spill loads"
    r".*?Used (\d+) registers(?:[^\n]*, (\d+) bytes smem)?",
    re.DOTALL,
)


class Usage(NamedTuple):
    """What a kernel takes of a multiprocessor."""

    registers: int
    shared_bytes: int
    stack_bytes: int
    spill_bytes: int


def compiled(module, architecture):
    """The `Usage` of every kernel of a module (`sources.Module`) on an architecture; RuntimeError with the log if it does not compile."""
    from cuda.bindings import nvrtc

    status, program = nvrtc.nvrtcCreateProgram(sources.text(module.name).encode(), b"module.cu", 0, [], [])
    assert status == nvrtc.nvrtcResult.NVRTC_SUCCESS
    try:
        options = [*module.options, f"-arch=sm_{architecture}", "--ptxas-options=-v"]
        (status,) = nvrtc.nvrtcCompileProgram(program, len(options), [option.encode() for option in options])
        _, size = nvrtc.nvrtcGetProgramLogSize(program)
        log = bytes(size)
        nvrtc.nvrtcGetProgramLog(program, log)
        text = log.decode(errors="replace")
        if status != nvrtc.nvrtcResult.NVRTC_SUCCESS:
            raise RuntimeError(f"{module} does not compile for sm_{architecture}:\n{text}")
    finally:
        nvrtc.nvrtcDestroyProgram(program)
    return {
        name: Usage(int(registers), int(shared or 0), int(stack), int(stores) + int(loads))
        for name, stack, stores, loads, registers, shared in _USAGE.findall(text)
    }
