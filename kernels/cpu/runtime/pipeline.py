"""Numba's compiler without what kernels have no use for: it makes the same code of them in less time."""

from typing import ClassVar

from numba.core import types
from numba.core.compiler import CompilerBase, DefaultPassBuilder
from numba.core.typed_passes import NativeLowering

from .libraries import InnerLibrary, Library
from .lowering import BodyLowering, KernelLowering

# Kernels have no `with`, no functions in functions, no comprehensions and no expressions of whole arrays. Each of these
# passes walks through all of a function to find that out, and the lifetimes of its variables are found anew then. The
# last marks where variables are used for the last time, which matters to those who count references.
_UNUSED = {
    "with_lifting",
    "inline_closure_likes",
    "find_literally",
    "literal_unroll",
    "inline_overloads",
    "nopython_rewrites",
    "ir_legalization",
}


class _TypingContext:
    """Numba's typing context, which remembers what types Numba's own functions have for which arguments.

    Numba infers the types of a function in rounds, until none changes. In each it asks for every operation again, and
    tries the operation's definitions one after the other: that was a tenth of compiling.
    """

    _known: ClassVar = {}

    def __init__(self, context):
        self._context = context

    def __getattr__(self, name):
        return getattr(self._context, name)

    def resolve_function_type(self, function, arguments, named):
        """The signature that the function has for arguments of these types."""
        if isinstance(function, types.Type) and not isinstance(function, types.Function):
            return self._context.resolve_function_type(function, arguments, named)  # functions of kernels, methods
        key = function, tuple(arguments), tuple(named.items())
        signature = self._known.get(key)
        if signature is None:
            signature = self._context.resolve_function_type(function, arguments, named)
            if signature is not None:
                self._known[key] = signature
        return signature


class KernelCompiler(CompilerBase):
    """Numba's compiler of one function."""

    library, lowering = Library, KernelLowering

    def compile_extra(self, func):
        """Compile the function into a library of ours."""
        self.state.typingctx = _TypingContext(self.state.typingctx)
        self.state.library = self.library(self.state.targetctx.codegen(), func.__qualname__)
        self.state.library.enable_object_caching()  # so that it can be kept
        return super().compile_extra(func)

    def define_pipelines(self):
        """Numba's passes, those that kernels use."""
        pipeline = DefaultPassBuilder.define_nopython_pipeline(self.state)
        passes = [(of, told) for of, told in pipeline.passes if of.name() not in _UNUSED]
        pipeline.passes = [(self.lowering if of is NativeLowering else of, told) for of, told in passes]
        return [pipeline]


class BodyCompiler(KernelCompiler):
    """As `KernelCompiler`, for the body of a kernel: its function for C runs one task (`frames.add_task`)."""

    lowering = BodyLowering


class InnerCompiler(KernelCompiler):
    """As `KernelCompiler`, for a function that only compiled code calls: it is linked into that."""

    library = InnerLibrary
