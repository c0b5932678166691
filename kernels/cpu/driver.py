"""The one parallel loop: tasks on Numba's threads.

What must be undone after it, the number of threads that Numba is told and the mark that a parallel region is entered,
is done and undone by compiled code, inside which Python raises nothing: an interrupt between two instructions of Python
could leave either as it was.
"""

import llvmlite.binding as llvm
import numba
import numpy as np
from llvmlite import ir
from numba.core import config, types
from numba.core.compiler_lock import global_compiler_lock
from numba.extending import intrinsic

from ..undisturbed import undisturbed
from . import compiling
from .code_cache import CodeCache

# What compiled code is told of the threads: int64 numbers in a row. They are addresses of functions, but for _ENTERED,
# which is 0 or 1, and _LIMIT, the number of threads there are.
_LOOP, _ENTERED, _GET, _SET, _LIMIT = range(5)
_INT, _WORD = ir.IntType(32), ir.IntType(64)
_VOID = ir.VoidType()


def _calls(builder, address, result, *arguments):
    function = ir.FunctionType(result, [argument.type for argument in arguments])
    return builder.call(builder.inttoptr(address, function.as_pointer()), arguments)


def _place(builder, address):
    return builder.inttoptr(address, _WORD.as_pointer())


@intrinsic
def _call_task(typingctx, function, frame, task):
    """Call the function at the address `function`, made by `jit._run_tasks`."""

    def codegen(context, builder, sig, args):
        _calls(builder, args[0], _VOID, *args[1:])
        return context.get_dummy_value()

    return types.void(types.int64, types.int64, types.int64), codegen


@intrinsic
def _get_count(typingctx, function):
    """Call ``int function(void)``."""
    return types.int64(types.int64), lambda context, builder, sig, args: builder.sext(
        _calls(builder, args[0], _INT), _WORD
    )


@intrinsic
def _set_count(typingctx, function, count):
    """Call ``void function(int count)``."""

    def codegen(context, builder, sig, args):
        _calls(builder, args[0], _VOID, builder.trunc(args[1], _INT))
        return context.get_dummy_value()

    return types.void(types.int64, types.int64), codegen


@intrinsic
def _number_at(typingctx, address):
    return types.int64(types.int64), lambda context, builder, sig, args: builder.load(_place(builder, args[0]))


@intrinsic
def _enter(typingctx, address):
    """Whether the number at `address` was 0; it is 1 now."""

    def codegen(context, builder, sig, args):
        before = builder.atomic_rmw("xchg", _place(builder, args[0]), ir.Constant(_WORD, 1), "acquire")
        return builder.icmp_signed("==", before, ir.Constant(_WORD, 0))

    return types.boolean(types.int64), codegen


@intrinsic
def _leave(typingctx, address):
    def codegen(context, builder, sig, args):
        builder.store_atomic(ir.Constant(_WORD, 0), _place(builder, args[0]), "release", 8)
        return context.get_dummy_value()

    return types.void(types.int64), codegen


def _loop(function, frame, tasks, block):
    # Numba's "workqueue" layer aborts a process two threads of which are in parallel regions at once.
    if not _enter(block + 8 * _ENTERED):
        for task in range(tasks):
            _call_task(function, frame, task)
        return
    before, wanted = _get_count(_number_at(block + 8 * _GET)), min(tasks, _number_at(block + 8 * _LIMIT))
    if before != wanted:
        _set_count(_number_at(block + 8 * _SET), wanted)
    for task in numba.prange(tasks):
        _call_task(function, frame, task)
    if before != wanted:
        _set_count(_number_at(block + 8 * _SET), before)
    _leave(block + 8 * _ENTERED)


_address = 0
_kept_alive = []


def _make():
    global _address
    with global_compiler_lock:
        if _address:
            return
        dispatcher = numba.njit(nogil=True, error_model="numpy", parallel=True)(_loop)
        dispatcher._cache = CodeCache(_loop)
        with compiling.may_compile("loop on threads"):
            dispatcher.compile((types.int64,) * 4)
        (compiled,) = dispatcher.overloads.values()
        block = np.zeros(5, np.int64)
        block[_LOOP] = compiled.library.get_pointer_to_function(compiled.fndesc.llvm_cfunc_wrapper_name)
        numba.get_num_threads()  # the threads run, so their functions are known
        block[_GET], block[_SET] = llvm.address_of_symbol("get_num_threads"), llvm.address_of_symbol("set_num_threads")
        block[_LIMIT] = config.NUMBA_NUM_THREADS
        _kept_alive.extend((dispatcher, block))
        _address = block.ctypes.data


def threads():
    """The address of what `jit._run_tasks` is to know of the threads; the first number there is the loop's address.

    They are started when this is first called.
    """
    if not _address:
        undisturbed(_make)
    return _address
