"""How kernels are compiled, cached and run.

A kernel's source is the body of one task, ``body(task, tasks, *arguments)``; tasks share nothing that they write, so
they may run in any order and on any thread. Calling the kernel runs all of them (`entries`): in a loop, or by the team
of threads of `teams`, which reaches every body through a function pointer. So a body is compiled once and serves both
ways, where a `prange` of its own would have LLVM compile it four times.

A parameter that is annotated with a class of named tuples gets one in the body. On the way there it is taken apart:
Numba needs 300 ns to find the type of a named tuple, 10 ns for that of an array. An annotation also may say how an
argument is passed on: `Floats` are arrays of float32 or float64, which the body need not be compiled for each
(`machine.float_arrays`), and a `float` is a float64.

`inner` marks functions that kernels call (`functions`).

Python may run a signal handler between any two of its instructions, and that may raise. So Numba compiles on threads
that no signal reaches (`undisturbed`), and what must be undone after a parallel region is done and undone by compiled
code (`teams`).
"""

import functools
import threading

from numba.core import cgutils, types
from numba.core.compiler_lock import global_compiler_lock
from numba.extending import intrinsic

from ...undisturbed import held_at_fork, undisturbed
from . import calling, code_cache, compiling, entries
from .code_cache import CodeCache
from .functions import inlined, inner, macro
from .pipeline import BodyCompiler
from .teams import team_for

__all__ = ["Kernel", "inlined", "inner", "kernel", "macro", "share"]  # what kernels are written with


@inner
def share(task, tasks, count):
    """The half-open range of `count` items that is this task's."""
    return task * count // tasks, (task + 1) * count // tasks


_making = threading.RLock()  # held while a dispatcher is made


def _protected(dispatcher, name):
    """Have compilation, when the function is called with types that are new, undisturbed and announced."""
    compile_for_arguments = dispatcher._compile_for_args

    def announced(*arguments):
        with compiling.may_compile(name):
            return compile_for_arguments(*arguments)

    dispatcher._compile_for_args = functools.partial(undisturbed, announced)
    return dispatcher


def _fields(annotation):
    """The annotations of the fields of a class of named tuples, or None for anything else."""
    if isinstance(annotation, type) and hasattr(annotation, "_fields"):
        return [annotation.__annotations__[name] for name in annotation._fields]
    return None


def _taken_apart(annotation, name):
    """The expressions for what is in the argument of this name, as deep as named tuples are nested."""
    fields = _fields(annotation)
    if fields is None:
        return [name]
    return [part for at, field in enumerate(fields) for part in _taken_apart(field, f"{name}[{at}]")]


def _put_together(annotation, parts):
    """The inverse, of types: the one that the body has for an argument, of the next of the `parts`."""
    fields = _fields(annotation)
    if fields is None:
        return _body_type(annotation, next(parts))
    return types.BaseTuple.from_types([_put_together(field, parts) for field in fields], annotation)


def _annotated(kind):
    """The annotations of what is in a tuple of this type: None for each, unless it is a named tuple."""
    return _fields(getattr(kind, "instance_class", None)) or [None] * len(kind)


def _body_type(annotation, kind):
    """The type that a body gets for an argument of type `kind`: an annotation may say what, `float` is float64."""
    if annotation is float and isinstance(kind, (types.Integer, types.Float, types.Boolean)):
        return types.float64
    if isinstance(kind, types.BaseTuple):  # one that an argument may be, such as codes or None
        fields = [_body_type(*each) for each in zip(_annotated(kind), kind.types)]
        return types.BaseTuple.from_types(fields, getattr(kind, "instance_class", None))
    return annotation.body_type(kind) if hasattr(annotation, "body_type") else kind


def _body_types(annotations, flat):
    """The types of a body's arguments, given those of what they are taken apart into."""
    parts = iter(flat)
    return (types.int64, types.int64, *(_put_together(annotation, parts) for annotation in annotations))


def _flattener(annotations):
    """A function from the arguments of a kernel to a tuple of what is in them; None where there are no named tuples."""
    if not any(map(_fields, annotations)):
        return None
    names = [f"a{at}" for at in range(len(annotations))]
    parts = [part for annotation, name in zip(annotations, names) for part in _taken_apart(annotation, name)]
    return eval(f"lambda {', '.join(names)}: ({', '.join(parts)},)")


held_at_fork += [global_compiler_lock._lock, _making]


class Kernel:
    """A body for one task, run for all: ``kernel(tasks, *arguments)``, on as many threads as there are tasks."""

    def __init__(self, function):
        self.function, self.__doc__, self.__name__ = function, function.__doc__, function.__name__
        parameters = function.__code__.co_varnames[2 : function.__code__.co_argcount]
        self._annotations = [function.__annotations__.get(name) for name in parameters]
        self._flat = _flattener(self._annotations)
        self._compiled = None
        self._name = f"{function.__module__}.{function.__qualname__}"
        code_cache.functions[self._name] = self._symbol

    def _make(self):
        self.body = inner(self.function, pipeline_class=BodyCompiler, no_cfunc_wrapper=False)
        self.body._cache = CodeCache(self.function)
        parameters = sum(len(_taken_apart(annotation, "")) for annotation in self._annotations)
        body_types = functools.partial(_body_types, self._annotations)
        return _protected(entries.dispatcher_of(self.body, parameters, body_types), self.__name__)

    def compiled(self):
        """The dispatcher that Python calls, made on first use."""
        with _making:
            if self._compiled is None:
                self._compiled = self._make()
        return self._compiled

    def __call__(self, tasks, *arguments):
        compiled = self._compiled or self.compiled()
        if self._flat is not None:
            arguments = self._flat(*arguments)
        compiled(0 if tasks == 1 else team_for(tasks), tasks, *arguments)

    def _symbol(self, signature):
        """The symbol of the body compiled for these types, which is loaded or compiled if need be."""
        self.compiled()
        self.body.compile(signature)
        symbol = self.body.overloads[signature].fndesc.mangled_name
        code_cache.symbols[symbol] = self._name, signature
        return symbol

    def by_symbol(self):
        """A function for other kernels that calls this one's body: ``function((task, tasks, *arguments))``.

        It is called by symbol, not linked, and so compiled to machine code once, however many kernels call it.
        """

        def call(typingctx, arguments):
            flat = tuple(map(types.unliteral, arguments.types))
            self._symbol(flat)
            compiled = self.body.overloads[flat]

            def codegen(context, builder, sig, args):
                return calling.emit_call(context, builder, compiled.fndesc, cgutils.unpack_tuple(builder, args[0]))

            return compiled.signature.return_type(arguments), codegen

        return intrinsic(call)


kernel = Kernel
