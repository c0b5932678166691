"""How kernels are compiled, cached and run.

A kernel's source is the body of one task, ``body(task, tasks, *arguments)``; tasks share nothing that they write, so they may run in any order and on any
thread. Calling the kernel runs all of them: in a loop, or on Numba's threads by the one `prange` of this module, which reaches every body through a
function pointer. So a body is compiled once and serves both ways, where a `prange` of its own would have LLVM compile it four times (11 s for all
kernels instead of 21 s). Tasks run in a loop when there is one, when another thread of this process is inside a parallel region (Numba's "workqueue"
layer aborts the process on concurrent entry), and in a forked child of a process that has used the threads (GNU OpenMP ends such a child).

`inner` marks functions that kernels call, `routine` functions that are called from Python and do one small thing.

Compiled code is cached on disk in a directory named after the kernels' sources (a change anywhere invalidates it; Numba alone looks at one file),
readable by its owner only, because Numba's cache format is pickle. Set KMEANS_FAST_CACHE_DIR to move it, or to the empty string to do without.
"""

import contextlib
import functools
import hashlib
import itertools
import os
import pickle
import threading
import types as python_types
from pathlib import Path

import llvmlite.binding as llvm
import numba
from llvmlite import ir
from numba.core import cgutils, config, types
from numba.core.caching import CompileResultCacheImpl, FunctionCache, _CacheLocator
from numba.core.runtime import rtsys
from numba.core.serialize import dumps
from numba.extending import intrinsic

from .. import cache

# Kernels allocate nothing, so Numba need not count references to their arrays (`_nrt`).
_OPTIONS = {"nogil": True, "error_model": "numpy", "no_cfunc_wrapper": True, "_nrt": False}


def inner(function, **options):
    """Compile a function that kernels call, and the bodies of kernels.

    It has no wrappers for Python and C, each of which would hold another copy of the code (a fifth of the time of compilation), and a literal argument
    is any other number: Numba would compile a copy for each.
    """
    dispatcher = numba.njit(**_OPTIONS, **options, no_cpython_wrapper=True)(function)
    call_template = dispatcher.get_call_template
    dispatcher.get_call_template = lambda args, kws: call_template(tuple(map(types.unliteral, args)), kws)
    return dispatcher


def inlined(function):
    """As `inner`, for what is called once a tile: a call with a dozen arrays costs 50 ns, as much as a tile of short rows."""
    return inner(function, inline="always")


@inner
def share(task, tasks, count):
    """The half-open range of `count` items that is this task's."""
    return task * count // tasks, (task + 1) * count // tasks


@functools.cache
def sources_digest():
    """A digest of every source file of the kernels."""
    digest = hashlib.sha256()
    for path in sorted(Path(__file__).parent.glob("*.py")):
        digest.update(path.read_bytes())
    return digest.hexdigest()[:16]


def cache_directory():
    """Where compiled kernels are kept, or None where no private directory can be had."""
    return cache.directory(f"kernels-{sources_digest()}")


class _Locator(_CacheLocator):
    def get_cache_path(self):
        return str(cache_directory())

    def get_source_stamp(self):
        return sources_digest()

    def get_disambiguator(self):
        return "0"

    @classmethod
    def from_function(cls, py_func, py_file):
        return cls()


def _without_bitcode(library):
    """A serialized library without the bitcode that other functions would inline from it: nothing is inlined from cached code, and to parse it takes a
    third of the time of loading. What is left of it are the names that it defines, which Numba looks up.
    """
    name, kind, (code, bitcode) = library
    module = llvm.parse_bitcode(bitcode)
    symbols = itertools.chain(module.functions, module.global_variables)
    names = [f'@"{symbol.name}" = common global ptr null' for symbol in symbols if not symbol.is_declaration]
    return name, kind, (code, llvm.parse_assembly("\n".join(names)).as_bitcode())


class _CacheContents(CompileResultCacheImpl):
    """Machine code with a digest: a flipped bit is noticed before it runs."""

    _locator_classes = [_Locator]

    callee = ""  # the symbol that the code calls in another cached file

    def reduce(self, cres):
        library, *rest = super().reduce(cres)
        content = dumps((self.callee, (_without_bitcode(library), *rest)))
        return hashlib.sha256(content).digest(), content

    def rebuild(self, target_context, payload):
        digest, content = payload
        if hashlib.sha256(content).digest() != digest:
            raise ValueError("the cached code is damaged")
        callee, result = pickle.loads(content)
        if callee != self.callee:
            raise ValueError("the two files come from different processes")
        return super().rebuild(target_context, result)


class _Cache(FunctionCache):
    """Numba's on-disk cache, except that a damaged or unwritable one costs a compilation, never an exception."""

    _impl_class = _CacheContents

    def load_overload(self, sig, target_context):
        # Numba would fill its tables of all that it can compile first (0.2 s of a process); code that is ready needs the run-time system alone.
        rtsys.initialize(target_context)
        try:
            return self._load_overload(sig, target_context)
        except Exception:  # whatever unpickling a damaged file raises
            return None

    def save_overload(self, sig, data):
        try:
            super().save_overload(sig, data)
        except Exception:  # the index is damaged, or the disk is full: the next process compiles again
            with contextlib.suppress(OSError):
                self.flush()


class _EntryCache(_Cache):
    """The cache of a kernel's entry, which calls its body by symbol: the body is loaded (or compiled) first, and must be the one the entry knows."""

    def __init__(self, entry, body):
        super().__init__(entry)
        self.body = body

    def _know_body(self, sig):
        signature = (types.int64, types.int64, *sig[-1].types)
        self.body.compile(signature)
        self._impl.callee = self.body.overloads[signature].fndesc.mangled_name

    def load_overload(self, sig, target_context):
        self._know_body(sig)
        return super().load_overload(sig, target_context)

    def save_overload(self, sig, data):
        self._know_body(sig)
        super().save_overload(sig, data)


def _cached(dispatcher, cache=_Cache, *arguments):
    if cache_directory() is not None:
        dispatcher._cache = cache(dispatcher.py_func, *arguments)
    return dispatcher


class Routine:
    """A function compiled on first call: ``routine(*arguments)``."""

    def __init__(self, function):
        self.function, self.__doc__, self.__name__ = function, function.__doc__, function.__name__
        self._compiled = None
        self._compiling = threading.Lock()

    def _make(self):
        return _cached(numba.njit(**_OPTIONS)(self.function))

    def compiled(self):
        """The dispatcher, made on first use."""
        with self._compiling:
            if self._compiled is None:
                self._compiled = self._make()
        return self._compiled

    def __call__(self, *arguments):
        return (self._compiled or self.compiled())(*arguments)


routine = Routine


@intrinsic
def _run_tasks(typingctx, body, driver, tasks, arguments):
    """Run ``body(task, tasks, *arguments)`` for every task, by the function at the address `driver`, or in a loop where that is 0.

    The arguments are put on the stack, and a function of a fixed signature is made around `body` that takes them from there. `body` is called by symbol,
    not linked: so it is compiled to machine code once. Bodies do not raise.
    """
    signature = body.get_call_type(typingctx, (types.int64, types.int64, *arguments.types), {})
    word = ir.IntType(64)

    def codegen(context, builder, sig, args):
        _, driver_value, tasks_value, arguments_value = args
        compiled = body.dispatcher.get_compile_result(signature)
        frame_type = ir.LiteralStructType([arguments_value.type, word])  # arguments, tasks
        frame = cgutils.alloca_once(builder, frame_type)
        builder.store(arguments_value, cgutils.gep_inbounds(builder, frame, 0, 0))
        builder.store(tasks_value, cgutils.gep_inbounds(builder, frame, 0, 1))
        task_type = ir.FunctionType(ir.VoidType(), [word, word])
        task = ir.Function(builder.module, task_type, f"{builder.function.name}.task")
        task.linkage = "internal"
        _fill_task(context, task, frame_type, compiled.fndesc, signature)
        frame_address = builder.ptrtoint(frame, word)
        with builder.if_else(builder.icmp_signed("==", driver_value, ir.Constant(word, 0))) as (in_a_loop, on_threads):
            with in_a_loop, cgutils.for_range(builder, tasks_value) as loop:
                builder.call(task, [frame_address, loop.index])
            with on_threads:
                driver_type = ir.FunctionType(ir.VoidType(), [word, word, word])
                function = builder.inttoptr(driver_value, driver_type.as_pointer())
                builder.call(function, [builder.ptrtoint(task, word), frame_address, tasks_value])
        return context.get_dummy_value()

    return types.void(body, types.int64, types.int64, arguments), codegen


def _fill_task(context, task, frame_type, body, signature):
    builder = ir.IRBuilder(task.append_basic_block())
    frame = builder.inttoptr(task.args[0], frame_type.as_pointer())
    packed, tasks = (builder.load(cgutils.gep_inbounds(builder, frame, 0, field)) for field in (0, 1))
    arguments = cgutils.unpack_tuple(builder, packed)
    function = context.declare_function(builder.module, body)
    context.call_conv.call_function(
        builder, function, signature.return_type, signature.args, [task.args[1], tasks, *arguments]
    )
    builder.ret_void()


@intrinsic
def _call_task(typingctx, function, frame, task):
    """Call the function at the address `function`, made by `_run_tasks`."""

    def codegen(context, builder, sig, args):
        word = ir.IntType(64)
        pointer = ir.FunctionType(ir.VoidType(), [word, word]).as_pointer()
        builder.call(builder.inttoptr(args[0], pointer), args[1:])
        return context.get_dummy_value()

    return types.void(types.int64, types.int64, types.int64), codegen


def _drive(function, frame, tasks):
    for task in numba.prange(tasks):
        _call_task(function, frame, task)


@functools.cache
def _driver():
    """The address of `_drive` as a C function, and what keeps its code alive."""
    dispatcher = _cached(numba.njit(**{**_OPTIONS, "no_cfunc_wrapper": False, "_nrt": True}, parallel=True)(_drive))
    dispatcher.compile((types.int64, types.int64, types.int64))
    (compiled,) = dispatcher.overloads.values()
    return compiled.library.get_pointer_to_function(compiled.fndesc.llvm_cfunc_wrapper_name), dispatcher


def _entry(driver, tasks, *arguments):
    _run_tasks(body, driver, tasks, arguments)  # noqa: F821  `Kernel._make` says which


_region = threading.Lock()  # held inside a parallel region
_parallel_used = False
_forked = False


def _after_fork():
    global _region, _forked
    _region, _forked = threading.Lock(), _parallel_used


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_after_fork)


class Kernel(Routine):
    """A body for one task, run for all: ``kernel(tasks, *arguments)``, on as many threads as there are tasks."""

    def _make(self):
        body = _cached(inner(self.function))
        names = {"_run_tasks": _run_tasks, "body": body}  # globals: a closure would be part of the cache's key
        entry = python_types.FunctionType(_entry.__code__, names, f"{self.__name__}_entry")
        entry.__module__, entry.__qualname__ = self.function.__module__, entry.__name__
        return _cached(numba.njit(**_OPTIONS)(entry), _EntryCache, body)

    def __call__(self, tasks, *arguments):
        compiled = self._compiled or self.compiled()
        if tasks == 1 or _forked or not _region.acquire(blocking=False):
            compiled(0, tasks, *arguments)
        else:
            self._on_threads(compiled, tasks, arguments, _region)

    @staticmethod
    def _on_threads(compiled, tasks, arguments, region):
        global _parallel_used
        try:
            _parallel_used = True
            mask, wanted = numba.get_num_threads(), min(tasks, config.NUMBA_NUM_THREADS)
            if mask != wanted:
                numba.set_num_threads(wanted)
            try:
                compiled(_driver()[0], tasks, *arguments)
            finally:
                if mask != wanted:
                    numba.set_num_threads(mask)
        finally:
            region.release()


kernel = Kernel
