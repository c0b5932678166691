"""Words of memory that threads share, at addresses, and calls of C functions at addresses.

Every operation here on a word is atomic, and all threads see all of them in one order.
"""

import platform

from llvmlite import ir
from numba.core import cgutils, types
from numba.extending import intrinsic

_WORD = ir.IntType(64)
# The instruction for loops that wait: LLVM's name of it, and its operands.
_X86, _ARM = ("llvm.x86.sse2.pause", []), ("llvm.aarch64.isb", [ir.Constant(ir.IntType(32), 15)])
_PAUSE = {"x86_64": _X86, "amd64": _X86, "arm64": _ARM, "aarch64": _ARM}.get(platform.machine().lower())


def _pointer(builder, address):
    return builder.inttoptr(address, _WORD.as_pointer())


@intrinsic
def load(typingctx, address):
    """The word there; as all of these, in one order for all threads."""

    def codegen(context, builder, sig, args):
        return builder.load_atomic(_pointer(builder, args[0]), "seq_cst", 8)

    return types.int64(types.int64), codegen


@intrinsic
def store(typingctx, address, value):
    """Write a word."""

    def codegen(context, builder, sig, args):
        builder.store_atomic(args[1], _pointer(builder, args[0]), "seq_cst", 8)
        return context.get_dummy_value()

    return types.void(types.int64, types.int64), codegen


@intrinsic
def add(typingctx, address, value):
    """Add to a word."""

    def codegen(context, builder, sig, args):
        builder.atomic_rmw("add", _pointer(builder, args[0]), args[1], "seq_cst")
        return context.get_dummy_value()

    return types.void(types.int64, types.int64), codegen


@intrinsic
def replace(typingctx, address, old, new):
    """Write `new` where `old` is; whether it was."""

    def codegen(context, builder, sig, args):
        found = builder.cmpxchg(_pointer(builder, args[0]), args[1], args[2], "seq_cst", "seq_cst")
        return builder.extract_value(found, 1)

    return types.boolean(types.int64, types.int64, types.int64), codegen


@intrinsic
def call(typingctx, function, *words):
    """Call the C function at an address, which takes up to so many words; what it returns is left."""

    def codegen(context, builder, sig, args):
        given = cgutils.unpack_tuple(builder, args[1])
        pointer = ir.FunctionType(ir.VoidType(), [_WORD] * len(given)).as_pointer()
        builder.call(builder.inttoptr(args[0], pointer), given)
        return context.get_dummy_value()

    return types.void(types.int64, types.StarArgUniTuple(types.int64, len(words))), codegen


@intrinsic
def pause(typingctx):
    """Tell the processor that this is a loop that waits."""

    def codegen(context, builder, sig, args):
        if _PAUSE is not None:
            name, operands = _PAUSE
            function_type = ir.FunctionType(ir.VoidType(), [operand.type for operand in operands])
            builder.call(cgutils.get_or_insert_function(builder.module, function_type, name), operands)
        return context.get_dummy_value()

    return types.void(), codegen
