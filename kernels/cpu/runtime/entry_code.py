"""What runs when Python calls a kernel, in compiled code, which is the same for all kernels.

It is called as functions of C modules are, with a record (`frames`) as `self`. It reads the objects of Python while it
has the interpreter lock, and runs the tasks without.
"""

from llvmlite import ir
from numba.core import cgutils, types
from numba.extending import intrinsic

from . import frames
from .atomics import call
from .functions import inner
from .team_code import LEAD

_WORD = ir.IntType(64)
_OBJECT = object.__basicsize__  # bytes before the fields of an object
# The fields of an array are public, as the macros of NumPy's header are that every module of C is compiled with.
_DATA, _SHAPE, _STRIDES = _OBJECT, _OBJECT + 16, _OBJECT + 24


@intrinsic
def _read(typingctx, address):
    def codegen(context, builder, sig, args):
        return builder.load(builder.inttoptr(args[0], _WORD.as_pointer()))

    return types.int64(types.int64), codegen


@intrinsic
def _write(typingctx, address, value):
    """Write a word, or a number of 8 bytes."""

    def codegen(context, builder, sig, args):
        builder.store(args[1], builder.inttoptr(args[0], args[1].type.as_pointer()))
        return context.get_dummy_value()

    return types.void(types.int64, value), codegen


@intrinsic
def _words(typingctx, count):
    """The address of so many words, until the function that asked returns."""

    def codegen(context, builder, sig, args):
        return builder.ptrtoint(builder.alloca(_WORD, args[0]), _WORD)

    return types.int64(types.int64), codegen


def _of_python(name, result, parameters):
    """A function of Python's C interface, of words, which may be addresses of objects, to a number or nothing."""

    def codegen(context, builder, sig, args):
        of_result = context.get_value_type(result) if result else ir.VoidType()
        function = cgutils.get_or_insert_function(
            builder.module, ir.FunctionType(of_result, [_WORD] * parameters), name
        )
        value = builder.call(function, args)
        return value if result else context.get_dummy_value()

    signature = (result or types.void)(*[types.int64] * parameters)
    return intrinsic(
        (
            lambda typingctx: (signature, codegen),
            lambda typingctx, one: (signature, codegen),
            lambda typingctx, one, other: (signature, codegen),
        )[parameters]
    )


_item = _of_python("PyTuple_GetItem", types.int64, 2)
_integer = _of_python("PyLong_AsLongLong", types.int64, 1)
_real = _of_python("PyFloat_AsDouble", types.float64, 1)
_truth = _of_python("PyObject_IsTrue", types.int32, 1)
_error = _of_python("PyErr_Occurred", types.int64, 0)
_keep = _of_python("Py_IncRef", None, 1)
_release_interpreter = _of_python("PyEval_SaveThread", types.int64, 0)
_take_interpreter = _of_python("PyEval_RestoreThread", None, 1)


@inner
def _is_minus_one(number, kind, at):
    """Write the number that an object is; whether it is -1, as functions of Python return where they fail, too."""
    if kind == frames.REAL:
        real = _real(number)
        _write(at, real)
        return real == -1.0
    integer = types.int64(_truth(number)) if kind == frames.TRUTH else _integer(number)
    _write(at, integer)
    return integer == -1


@inner
def _filled(record, arguments, frame):
    """Fill the frame with the arguments, a tuple; whether all could be had."""
    nodes = _read(record + frames.NODES)
    objects, at = _words(nodes), frame
    _write(objects, arguments)
    for number in range(1, nodes):
        node = record + frames.HEAD + number * frames.OF_A_NODE
        found = _item(_read(objects + 8 * _read(node + frames.PARENT)), _read(node + frames.INDEX))
        if found == 0:
            return False
        _write(objects + 8 * number, found)
        kind = _read(node + frames.KIND)
        if kind == frames.ARRAY:
            _write(at, _read(found + _DATA))
            _write(at + 8, _read(node + frames.ITEMSIZE))
            at += 16
            for words in (_read(found + _SHAPE), _read(found + _STRIDES)):
                for dimension in range(_read(node + frames.DIMENSIONS)):
                    _write(at, _read(words + 8 * dimension))
                    at += 8
        elif kind >= frames.INTEGER:
            if _is_minus_one(found, kind, at) and _error() != 0:
                return False
            at += 8
    return True


def enter(this, arguments, keywords):
    """Run all tasks of a kernel. The C function of a `PyCFunction` whose `this` is a record."""
    record = _read(this + _DATA)
    frame = _words(_read(record + frames.WORDS))
    if not _filled(record, arguments, frame):
        return 0
    function, team, tasks = _read(record + frames.FUNCTION), _read(frame), _read(frame + 8)
    state = _release_interpreter()
    if team == 0:
        for task in range(tasks):
            call(function, frame, task)
    else:
        call(_read(team + LEAD), function, frame, tasks, team)
    _take_interpreter(state)
    none = _read(record + frames.NONE)
    _keep(none)
    return none
