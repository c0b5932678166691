"""How kernels are compiled, cached and run.

A kernel's source is the body of one task, ``body(task, tasks, *arguments)``; tasks share nothing that they write, so
they may run in any order and on any thread. Calling the kernel runs all of them: in a loop, or by the team of threads
of `teams`, which reaches every body through a function pointer. So a body is compiled once and serves both ways, where
a `prange` of its own would have LLVM compile it four times.

A parameter that is annotated with a class of named tuples gets one in the body. On the way there it is taken apart:
Numba needs 300 ns to find the type of a named tuple, 10 ns for that of an array. An annotation also may say how an
argument is passed on: `Floats` are arrays of float32 or float64, which the body need not be compiled for each
(`machine.float_arrays`), and a `float` is a float64.

`inner` marks functions that kernels call, `routine` functions that are called from Python and do one small thing.

Python may run a signal handler between any two of its instructions, and that may raise. So Numba compiles on threads
that no signal reaches (`undisturbed`), and what must be undone after a parallel region is done and undone by compiled
code (`teams`).
"""

import functools
import threading
import types as python_types

import numba
from llvmlite import ir
from numba.core import cgutils, types
from numba.core.compiler_lock import global_compiler_lock
from numba.extending import intrinsic

from ...undisturbed import held_at_fork, undisturbed
from . import code_cache, compiling
from .code_cache import CodeCache, EntryCache
from .pipeline import InnerCompiler, KernelCompiler
from .teams import team_for

# Kernels allocate nothing, so Numba need not count references to their arrays (`_nrt`).
_OPTIONS = {"nogil": True, "error_model": "numpy", "no_cfunc_wrapper": True, "_nrt": False}
_OPTIONS["pipeline_class"] = KernelCompiler


def inner(function, **options):
    """Compile a function that kernels call, and the bodies of kernels.

    It has no wrappers for Python and C, each of which would hold another copy of the code (a fifth of the time of
    compilation), and a literal argument is any other number: Numba would compile a copy for each.
    """
    options = {**_OPTIONS, "pipeline_class": InnerCompiler, **options}
    dispatcher = numba.njit(**options, no_cpython_wrapper=True)(function)
    call_template = dispatcher.get_call_template
    dispatcher.get_call_template = lambda args, kws: call_template(tuple(map(types.unliteral, args)), kws)
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


@inner
def share(task, tasks, count):
    """The half-open range of `count` items that is this task's."""
    return task * count // tasks, (task + 1) * count // tasks


_making = threading.RLock()  # held while a dispatcher is made


def _protected(dispatcher, name, cache):
    """Have compilation, when the function is called with types that are new, undisturbed, announced and kept."""
    dispatcher._cache = cache
    compile_for_arguments = dispatcher._compile_for_args

    def announced(*arguments):
        with compiling.may_compile(name):
            return compile_for_arguments(*arguments)

    dispatcher._compile_for_args = functools.partial(undisturbed, announced)
    return dispatcher


class Routine:
    """A function compiled on first call: ``routine(*arguments)``."""

    def __init__(self, function):
        self.function, self.__doc__, self.__name__ = function, function.__doc__, function.__name__
        self._compiled = None
        self._name = f"{function.__module__}.{function.__qualname__}"
        code_cache.functions[self._name] = self._symbol

    def _body(self):
        """The dispatcher of the code that others call by symbol."""
        return self.compiled()

    def _symbol(self, signature):
        """The symbol of the body compiled for these types, which is loaded or compiled if need be."""
        body = self._body()
        body.compile(signature)
        symbol = body.overloads[signature].fndesc.mangled_name
        code_cache.symbols[symbol] = self._name, signature
        return symbol

    def _make(self):
        return _protected(numba.njit(**_OPTIONS)(self.function), self.__name__, CodeCache(self.function))

    def compiled(self):
        """The dispatcher, made on first use."""
        with _making:
            if self._compiled is None:
                self._compiled = self._make()
        return self._compiled

    def __call__(self, *arguments):
        return (self._compiled or self.compiled())(*arguments)

    def by_symbol(self):
        """A function for other kernels that calls this one: ``function(arguments)``, which are a tuple.

        It is called by symbol, not linked, and so compiled to machine code once, however many kernels call it. Of a
        kernel that is its body, whose first two arguments are the task and the number of tasks.
        """

        def call(typingctx, arguments):
            flat = tuple(map(types.unliteral, arguments.types))
            self._symbol(flat)
            compiled = self._body().overloads[flat]

            def codegen(context, builder, sig, args):
                function = context.declare_function(builder.module, compiled.fndesc)
                values = cgutils.unpack_tuple(builder, args[0])
                _, result = context.call_conv.call_function(
                    builder, function, compiled.signature.return_type, compiled.signature.args, values
                )
                return result

            return compiled.signature.return_type(arguments), codegen

        return intrinsic(call)


routine = Routine


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


def _put_together(annotation, parts, make, convert):
    """The inverse, of the next of the `parts`; ``make(fields, class)`` is a named tuple."""
    fields = _fields(annotation)
    if fields is None:
        return convert(annotation, next(parts))
    return make([_put_together(field, parts, make, convert) for field in fields], annotation)


def _annotated(kind):
    """The annotations of what is in a tuple of this type: None for each, unless it is a named tuple."""
    return _fields(getattr(kind, "instance_class", None)) or [None] * len(kind)


def _body_type(annotation, kind):
    """The type that a body gets for an argument of type `kind`: an annotation may say what, `float` is float64."""
    if annotation is float:
        return types.float64
    if isinstance(kind, types.BaseTuple):  # one that an argument may be, such as codes or None
        fields = [_body_type(*each) for each in zip(_annotated(kind), kind.types)]
        return types.BaseTuple.from_types(fields, getattr(kind, "instance_class", None))
    return annotation.body_type(kind) if hasattr(annotation, "body_type") else kind


def _body_types(annotations, flat):
    """The types of a body's arguments, given those of what they are taken apart into."""
    parts = iter(flat)
    of_arguments = (
        _put_together(annotation, parts, types.BaseTuple.from_types, _body_type) for annotation in annotations
    )
    return (types.int64, types.int64, *of_arguments)


def _flattener(annotations):
    """A function from the arguments of a kernel to a tuple of what is in them; None where there are no named tuples."""
    if not any(map(_fields, annotations)):
        return None
    names = [f"a{at}" for at in range(len(annotations))]
    parts = [part for annotation, name in zip(annotations, names) for part in _taken_apart(annotation, name)]
    return eval(f"lambda {', '.join(names)}: ({', '.join(parts)},)")


@intrinsic
def _run_tasks(typingctx, body, team, tasks, arguments):
    """Run ``body(task, tasks, *arguments)`` for every task, by the `team` at that address, or in a loop if it is 0.

    The arguments are put on the stack, and a function of a fixed signature is made around `body` that takes them from
    there. `body` is called by symbol, not linked: so it is compiled to machine code once. Bodies do not raise.
    """
    annotations = body.dispatcher.annotations
    signature = body.get_call_type(typingctx, _body_types(annotations, arguments.types), {})
    word = ir.IntType(64)

    def codegen(context, builder, sig, args):
        _, team_value, tasks_value, arguments_value = args
        compiled = body.dispatcher.get_compile_result(signature)
        frame_type = ir.LiteralStructType([arguments_value.type, word])  # arguments, tasks
        frame = cgutils.alloca_once(builder, frame_type)
        builder.store(arguments_value, cgutils.gep_inbounds(builder, frame, 0, 0))
        builder.store(tasks_value, cgutils.gep_inbounds(builder, frame, 0, 1))
        task_type = ir.FunctionType(ir.VoidType(), [word, word])
        task = ir.Function(builder.module, task_type, f"{builder.function.name}.task")
        task.linkage = "internal"
        _fill_task(context, task, frame_type, compiled.fndesc, signature, arguments.types, annotations)
        frame_address = builder.ptrtoint(frame, word)
        with builder.if_else(builder.icmp_signed("==", team_value, ir.Constant(word, 0))) as (in_a_loop, on_threads):
            with in_a_loop, cgutils.for_range(builder, tasks_value) as loop:
                builder.call(task, [frame_address, loop.index])
            with on_threads:
                lead_type = ir.FunctionType(ir.VoidType(), [word] * 4)
                function = builder.load(builder.inttoptr(team_value, lead_type.as_pointer().as_pointer()))
                builder.call(function, [builder.ptrtoint(task, word), frame_address, tasks_value, team_value])
        return context.get_dummy_value()

    return types.void(body, types.int64, types.int64, arguments), codegen


def _fill_task(context, task, frame_type, body, signature, flat, annotations):
    builder = ir.IRBuilder(task.append_basic_block())
    frame = builder.inttoptr(task.args[0], frame_type.as_pointer())
    packed, tasks = (builder.load(cgutils.gep_inbounds(builder, frame, 0, field)) for field in (0, 1))
    parts = zip(flat, cgutils.unpack_tuple(builder, packed))

    def named_tuple(fields, cls):
        kind = types.BaseTuple.from_types([kind for kind, _ in fields], cls)
        return kind, context.make_tuple(builder, kind, [value for _, value in fields])

    def convert(annotation, part):
        kind, value = part
        wanted = _body_type(annotation, kind)
        if wanted == kind:
            return part
        if annotation is float:
            return wanted, context.cast(builder, value, kind, wanted)
        if isinstance(kind, types.BaseTuple):
            fields = zip(_annotated(kind), zip(kind.types, cgutils.unpack_tuple(builder, value)))
            return wanted, context.make_tuple(builder, wanted, [convert(*field)[1] for field in fields])
        return wanted, annotation.emit(context, builder, kind, value)

    arguments = [_put_together(annotation, parts, named_tuple, convert)[1] for annotation in annotations]
    function = context.declare_function(builder.module, body)
    context.call_conv.call_function(
        builder, function, signature.return_type, signature.args, [task.args[1], tasks, *arguments]
    )
    builder.ret_void()


def _entry(team, tasks, *arguments):
    _run_tasks(body, team, tasks, arguments)  # noqa: F821  `Kernel._make` says which


held_at_fork += [global_compiler_lock._lock, _making]


class Kernel(Routine):
    """A body for one task, run for all: ``kernel(tasks, *arguments)``, on as many threads as there are tasks."""

    def __init__(self, function):
        super().__init__(function)
        parameters = function.__code__.co_varnames[2 : function.__code__.co_argcount]
        self._annotations = [function.__annotations__.get(name) for name in parameters]
        self._flat = _flattener(self._annotations)

    def _body(self):
        self.compiled()
        return self.body

    def _make(self):
        self.body = body = inner(self.function, pipeline_class=KernelCompiler)
        body.annotations = self._annotations
        body._cache = CodeCache(self.function)
        names = {"_run_tasks": _run_tasks, "body": body}  # globals: a closure would be part of the cache's key
        entry = python_types.FunctionType(_entry.__code__, names, f"{self.__name__}_entry")
        entry.__module__, entry.__qualname__ = self.function.__module__, entry.__name__
        return _protected(
            numba.njit(**_OPTIONS)(entry),
            self.__name__,
            EntryCache(entry, body, functools.partial(_body_types, self._annotations)),
        )

    def __call__(self, tasks, *arguments):
        compiled = self._compiled or self.compiled()
        if self._flat is not None:
            arguments = self._flat(*arguments)
        compiled(0 if tasks == 1 else team_for(tasks), tasks, *arguments)


kernel = Kernel
