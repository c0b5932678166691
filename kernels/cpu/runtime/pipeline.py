"""Numba's compiler without what kernels have no use for: it makes the same code of them in less time."""

from types import SimpleNamespace

from numba.core.codegen import JITCodeLibrary
from numba.core.compiler import CompilerBase, DefaultPassBuilder
from numba.core.compiler_machinery import register_pass
from numba.core.lowering import Lower
from numba.core.runtime import rtsys
from numba.core.typed_passes import BaseNativeLowering, NativeLowering

from . import frames

# Kernels have no `with`, no functions in functions, no comprehensions and no expressions of whole arrays. Each of these
# passes walks through all of a function to find that out, and the lifetimes of its variables are found anew then.
_UNUSED = {
    "with_lifting",
    "inline_closure_likes",
    "find_literally",
    "literal_unroll",
    "inline_overloads",
    "nopython_rewrites",
}


class _Library(JITCodeLibrary):
    """The code of one function, of which machine code is made."""

    def _optimize_functions(self, ll_module):
        """Optimise nothing yet: what is inlined is optimised where it is inlined."""
        ll_module.data_layout = self._codegen._data_layout

    def add_linking_library(self, library):
        """Link it in, but not the functions that allocate memory, which kernels do not."""
        if library is not rtsys.library:
            super().add_linking_library(library)


class _InnerLibrary(_Library):
    """The code of a function that is linked into others: no machine code is made of it alone."""

    codegen = SimpleNamespace(set_env=lambda name, environment: None)  # without machine code there is nowhere to set it

    def _optimize_final_module(self):
        """Run the first of Numba's two rounds, which inlines; the functions that it is linked into have the second."""
        first = {"loop_vectorize": False, "slp_vectorize": False, "opt": 0, "cost": "cheap"}
        passes, builder = self._codegen._module_pass_manager(**first)
        passes.run(self._final_module, builder)

    def _finalize_final_module(self):
        self._finalize_dynamic_globals()
        self._verify_declare_only_symbols()
        self._finalized = True

    def get_pointer_to_function(self, name):
        """There is none."""
        self._ensure_finalized()
        return 0


class KernelCompiler(CompilerBase):
    """Numba's compiler of one function."""

    library = _Library

    def compile_extra(self, func):
        """Compile the function into a library of ours."""
        self.state.library = self.library(self.state.targetctx.codegen(), func.__qualname__)
        self.state.library.enable_object_caching()  # so that it can be kept
        return super().compile_extra(func)

    def define_pipelines(self):
        """Numba's passes, those that kernels use."""
        pipeline = DefaultPassBuilder.define_nopython_pipeline(self.state)
        pipeline.passes = [(of, told) for of, told in pipeline.passes if of.name() not in _UNUSED]
        return [pipeline]


class _LowerBody(Lower):
    def create_cfunc_wrapper(self):
        """Its function for C is the task."""
        frames.add_task(self.context, self.library, self.fndesc)


@register_pass(mutates_CFG=True, analysis_only=False)
class _BodyLowering(BaseNativeLowering):
    _name = "kernel_body_lowering"
    lowering_class = _LowerBody


class BodyCompiler(KernelCompiler):
    """As `KernelCompiler`, for the body of a kernel: its function for C runs one task (`frames.add_task`)."""

    def define_pipelines(self):
        """Numba's passes, with another at the end."""
        (pipeline,) = super().define_pipelines()
        pipeline.passes = [(_BodyLowering if of is NativeLowering else of, told) for of, told in pipeline.passes]
        return [pipeline]


class InnerCompiler(KernelCompiler):
    """As `KernelCompiler`, for a function that only compiled code calls: it is linked into that."""

    library = _InnerLibrary
