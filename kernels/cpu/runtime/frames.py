"""Memory by which a call from Python passes its arguments to the body of a kernel.

A *frame* is words of 8 bytes, one after the other: the address of the team, the number of tasks, and those of each
argument. A number is one word, an array is its address, its itemsize, its shape and its strides, and None is nothing; a
tuple is what is in it. So one compiled function (`entry_code.enter`) fills the frames of all kernels. It reads from a
*record* what to expect: a node for each object, the tuple of all arguments first, every tuple before what is in it.
"""

import numpy as np
from llvmlite import ir
from numba.core import types
from numba.np.arrayobj import populate_array
from numba.np.numpy_support import as_dtype

from . import calling

# The record, in bytes: a head, then the nodes.
FUNCTION, NONE, NODES, WORDS = 0, 8, 16, 24  # the body's, the object None, how many nodes, how many words in the frame
HEAD = 32
PARENT, INDEX, KIND, DIMENSIONS, ITEMSIZE = 0, 8, 16, 24, 32  # of a node; the parent is the number of a node
OF_A_NODE = 40
TUPLE, NOTHING, ARRAY, INTEGER, REAL, TRUTH = range(6)  # numbers last

_WORD = ir.IntType(64)
_FIRST = 8  # bytes of the frame, before the words that a body gets


def _leaves(kind):
    """The types in a type, as deep as tuples are nested."""
    return [leaf for one in kind for leaf in _leaves(one)] if isinstance(kind, types.BaseTuple) else [kind]


def _node(kind):
    """The last three words of the node of what a body has as this type; None where it cannot be passed in a frame."""
    if isinstance(kind, types.Array):
        return ARRAY, kind.ndim, as_dtype(kind.dtype).itemsize
    known = (types.Float, REAL), (types.Boolean, TRUTH), (types.Integer, INTEGER), (types.NoneType, NOTHING)
    found = [code for of, code in known if isinstance(kind, of)]
    return (*found, 0, 0) if found else None


def _nodes(kind, parent, index, wanted, nodes):
    """Append those of an argument of this type; `wanted` are the types that the body has for its leaves."""
    at = len(nodes)
    if isinstance(kind, types.BaseTuple):
        nodes.append((parent, index, TUPLE, 0, 0))
        for inside, one in enumerate(kind):
            _nodes(one, at, inside, wanted, nodes)
        return
    becomes = next(wanted)
    node = _node(kind if isinstance(kind, types.Array) else becomes)
    if node is None:
        raise TypeError(f"a kernel takes arrays, numbers, truth values, None and tuples of these; got {kind}")
    nodes.append((parent, index, *node))


def record(kinds, body_kinds, function):
    """The record of a call with arguments of these types; the body gets them as `body_kinds`. An array of int64.

    The first two arguments are the team and the number of tasks, of the body its task and the number of tasks.
    """
    nodes = []
    _nodes(types.Tuple(kinds), 0, 0, iter(_leaves(types.Tuple(body_kinds))), nodes)
    words = sum({NOTHING: 0, TUPLE: 0, ARRAY: 2 + 2 * dimensions}.get(kind, 1) for _, _, kind, dimensions, _ in nodes)
    return np.array([function, id(None), len(nodes), words, *sum(nodes, ())], np.int64)


class _Reader:
    """Code that takes the number of tasks, and then one argument after the other, from a frame."""

    def __init__(self, context, builder, frame):
        self.context, self.builder, self.at = context, builder, _FIRST
        self.frame = frame

    def word(self, ir_type=_WORD):
        address = self.builder.add(self.frame, ir.Constant(_WORD, self.at))
        self.at += 8
        return self.builder.load(self.builder.inttoptr(address, ir_type.as_pointer()))

    def value(self, kind):
        """The next, as of this type."""
        context, builder = self.context, self.builder
        if isinstance(kind, types.BaseTuple):
            return context.make_tuple(builder, kind, [self.value(one) for one in kind])
        if isinstance(kind, types.NoneType):
            return context.get_dummy_value()
        if isinstance(kind, types.Float):
            return context.cast(builder, self.word(ir.DoubleType()), types.float64, kind)
        if isinstance(kind, (types.Integer, types.Boolean)):
            return context.cast(builder, self.word(), types.int64, kind)
        data, itemsize = self.word(ir.IntType(8).as_pointer()), self.word()
        dimensions = range(getattr(kind, "ndim", 1))
        shape, strides = ([self.word() for _ in dimensions] for _ in range(2))
        if not isinstance(kind, types.Array):
            return kind.made(context, builder, data, itemsize, *shape)
        array = context.make_array(kind)(context, builder)
        data = builder.bitcast(data, context.get_data_type(kind.dtype).as_pointer())
        populate_array(array, data, shape, strides, itemsize, None)
        return array._getvalue()


def add_task(context, library, body):
    """Add the C function ``task(frame, task)``, which calls a body, to its library. Bodies do not raise.

    There is none for types that only other kernels pass, by symbol.
    """
    if not all(_node(leaf) or hasattr(leaf, "made") for leaf in _leaves(types.Tuple(body.argtypes))):
        return
    module = context.create_module("task")
    function = ir.Function(module, ir.FunctionType(ir.VoidType(), [_WORD, _WORD]), body.llvm_cfunc_wrapper_name)
    builder = ir.IRBuilder(function.append_basic_block())
    frame, task = function.args
    reader = _Reader(context, builder, frame)
    arguments = [task, *(reader.value(kind) for kind in body.argtypes[1:])]
    calling.call(context, builder, body, arguments, attributes=("noinline",))
    builder.ret_void()
    library.add_ir_module(module)
