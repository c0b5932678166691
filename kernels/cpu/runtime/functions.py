"""Functions that kernels call, compiled into their code."""

import numba
from numba.core import types

from . import calling
from .code_cache import CodeCache, InnerCache
from .pipeline import InnerCompiler, KernelCompiler

# Kernels allocate nothing, so Numba need not count references to their arrays (`_nrt`).
OPTIONS = {"nogil": True, "error_model": "numpy", "_nrt": False}
_NO_WRAPPERS = {"no_cpython_wrapper": True, "no_cfunc_wrapper": True}


def inner(function, **options):
    """Compile a function that kernels call, and the bodies of kernels.

    It has no wrappers for Python and C, each of which would hold another copy of the code (a fifth of the time of
    compilation), and a literal argument is any other number: Numba would compile a copy for each.
    """
    dispatcher = numba.njit(**{**OPTIONS, **_NO_WRAPPERS, "pipeline_class": InnerCompiler, **options})(function)
    dispatcher._cache = InnerCache(function)
    call_template = dispatcher.get_call_template
    dispatcher.get_call_template = lambda args, kws: call_template(tuple(map(types.unliteral, args)), kws)
    add_overload = dispatcher.add_overload

    def add(compiled):
        calling.register(dispatcher.targetctx, compiled)
        add_overload(compiled)

    dispatcher.add_overload = add
    return dispatcher


def inlined(function):
    """As `inner`, for what is called once a tile: a call with a dozen arrays takes 50 ns, as much as short rows.

    It is LLVM that inlines it, so Numba compiles it once for all that call it.
    """
    return inner(function, forceinline=True)


def macro(function):
    """As `inlined`, as if it were written in each caller: for functions that return arrays.

    Those that `stack_array` gives live as long as the caller, and one that counts references (a test's) counts right.
    Numba compiles a macro anew with each caller, which takes several times as long.
    """
    return inner(function, inline="always")


def of_words(function, count, wrapper):
    """A function of so many words, compiled and kept; `wrapper` says by whom it is called: "cpython" or "cfunc"."""
    wanted = {**_NO_WRAPPERS, f"no_{wrapper}_wrapper": False}
    dispatcher = numba.njit(**OPTIONS, **wanted, pipeline_class=KernelCompiler)(function)
    dispatcher._cache = CodeCache(function)
    dispatcher.compile((types.int64,) * count)
    return dispatcher


def c_address(dispatcher, signature=None):
    """The address of the C function of what is compiled."""
    code = dispatcher.overloads[signature] if signature else next(iter(dispatcher.overloads.values()))
    return code.library.get_pointer_to_function(code.fndesc.llvm_cfunc_wrapper_name)
