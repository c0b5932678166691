"""CUDA C++ into machine code, by NVRTC; no GPU is needed for it.

Not by CuPy's RawModule, which compiles with -ftz=true whatever it is told: subnormal numbers would be zeros, and some
answers others.
"""

import contextlib
import functools
import hashlib
import os
import tempfile
from pathlib import Path
from typing import NamedTuple

from .. import cache
from . import sources


class Binary(NamedTuple):
    """What a module was compiled to."""

    code: bytes  # machine code, or PTX where NVRTC is older than the GPU
    kind: str  # "cubin" or "ptx"
    log: str  # with registers, shared memory and spills of every kernel


def _checked(result, log=""):
    from cuda.bindings import nvrtc

    status, *values = result
    if status != nvrtc.nvrtcResult.NVRTC_SUCCESS:
        raise RuntimeError(f"NVRTC: {status.name}\n{log}".rstrip())
    return values[0] if len(values) == 1 else tuple(values)


def version():
    """NVRTC's version, as "13.0".

    Raises
    ------
    ImportError
        Without cuda-bindings.
    RuntimeError
        If there is no NVRTC that they can load.
    """
    from cuda.bindings import nvrtc

    return ".".join(map(str, _checked(nvrtc.nvrtcVersion())))


def _target(architecture):
    """The option that names what to compile for, and the kind of code.

    Machine code for that GPU or one that it is compatible with, else PTX.
    """
    from cuda.bindings import nvrtc

    supported = _checked(nvrtc.nvrtcGetSupportedArchs())
    compatible = [arch for arch in supported if arch // 10 == architecture // 10 and arch <= architecture]
    if compatible:
        return f"-arch=sm_{max(compatible)}", "cubin"
    older = [arch for arch in supported if arch <= architecture]
    if not older:
        raise RuntimeError(
            f"this NVRTC compiles for compute capability {min(supported) / 10} and above, "
            f"the GPU has {architecture / 10}"
        )
    return f"-arch=compute_{max(older)}", "ptx"


def compiled(module, architecture):
    """Compile a `sources.Module`.

    Parameters
    ----------
    module : sources.Module
    architecture : int
        The compute capability times ten: 90 for an H100.

    Returns
    -------
    Binary

    Raises
    ------
    RuntimeError
        With NVRTC's log, if it does not compile.
    """
    from cuda.bindings import nvrtc

    target, kind = _target(architecture)
    program = _checked(
        nvrtc.nvrtcCreateProgram(sources.text(module.name).encode(), f"{module.name}.cu".encode(), 0, [], [])
    )
    try:
        options = [option.encode() for option in (*module.options, target, "--ptxas-options=-v")]
        result = nvrtc.nvrtcCompileProgram(program, len(options), options)
        # Memory for NVRTC to write to: bytearrays, since a bytes object may be shared (all of length one are).
        log = bytearray(_checked(nvrtc.nvrtcGetProgramLogSize(program)))
        _checked(nvrtc.nvrtcGetProgramLog(program, log))
        _checked(result, log.decode(errors="replace"))
        size, get = (
            (nvrtc.nvrtcGetCUBINSize, nvrtc.nvrtcGetCUBIN)
            if kind == "cubin"
            else (nvrtc.nvrtcGetPTXSize, nvrtc.nvrtcGetPTX)
        )
        code = bytearray(_checked(size(program)))
        _checked(get(program, code))
    finally:
        nvrtc.nvrtcDestroyProgram(program)
    return Binary(bytes(code), kind, log.decode(errors="replace").rstrip("\0"))


@functools.cache
def _kept_for_this_process():
    """Where binaries are when there is no cache; gone with the process."""
    return tempfile.TemporaryDirectory(prefix="kmeans-fast-")


def binary_file(module, architecture):
    """A file with the code of a module, compiled when it is asked for the first time ever."""
    what = "\n".join([version(), str(architecture), *module.options, sources.text(module.name)])
    folder = cache.directory("cuda") or Path(_kept_for_this_process().name)
    stem = f"{module.name}-{hashlib.sha256(what.encode()).hexdigest()[:24]}"
    for kind in ("cubin", "ptx"):
        if (folder / f"{stem}.{kind}").exists():
            return folder / f"{stem}.{kind}"
    binary = compiled(module, architecture)
    target = folder / f"{stem}.{binary.kind}"
    part = folder / f"{stem}.{os.getpid()}.part"
    try:
        part.write_bytes(binary.code)
        part.replace(target)
    except OSError:
        with contextlib.suppress(OSError):
            part.unlink()
        target = Path(_kept_for_this_process().name) / target.name
        target.write_bytes(binary.code)
    return target
