"""What Python calls to run a kernel: a C function for each combination of types, made without a compiler.

All of them are one compiled function (`entry_code.enter`), each with a record of its own (`frames`), which says what
the arguments are and where the body is. Numba's dispatcher finds the types of the arguments and so the function.
"""

import ctypes
import functools

import numba
from numba.core.compiler_lock import global_compiler_lock

from . import entry_code, frames
from .functions import c_address, of_words


class _Definition(ctypes.Structure):
    """Python's PyMethodDef."""

    _fields_ = [
        ("name", ctypes.c_char_p),
        ("function", ctypes.c_void_p),
        ("flags", ctypes.c_int),
        ("doc", ctypes.c_char_p),
    ]


_FLAGS = 0x1 | 0x2  # METH_VARARGS | METH_KEYWORDS, as Numba's dispatcher has them
_new_function = ctypes.PYFUNCTYPE(ctypes.py_object, ctypes.c_void_p, ctypes.py_object, ctypes.c_void_p)(
    ("PyCFunction_NewEx", ctypes.pythonapi)
)


@functools.cache
def _definition():
    """The address of the definition that all entries share."""
    code = of_words(entry_code.enter, 3, "cfunc")
    definition = _Definition(b"kernel", c_address(code), _FLAGS, None)
    for kept in (definition, code):  # when the process ends, entries may outlive this module
        ctypes.pythonapi.Py_IncRef(ctypes.py_object(kept))
    return ctypes.addressof(definition)


def dispatcher_of(body, parameters, body_types):
    """What Python calls with a team, a number of tasks and that many more arguments.

    `body` is the dispatcher of the body; `body_types` gives the types of its arguments for those of the call.
    """
    names = ", ".join(f"a{at}" for at in range(2 + parameters))
    dispatcher, made = numba.njit(eval(f"lambda {names}: None")), {}

    def connected(kinds):
        with global_compiler_lock:
            if kinds not in made:
                wanted = body_types(kinds[2:])
                body.compile(wanted)
                made[kinds] = _new_function(_definition(), frames.record(kinds, wanted, c_address(body, wanted)), None)
                dispatcher._insert([kind._code for kind in kinds], made[kinds])
        return made[kinds]

    dispatcher.compile = connected
    return dispatcher
