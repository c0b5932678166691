"""Numba's compiler without what kernels have no use for: it makes the same code of them in less time."""

from types import SimpleNamespace

from numba.core.codegen import JITCodeLibrary
from numba.core.compiler import CompilerBase, DefaultPassBuilder
from numba.core.runtime import rtsys

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
    """The code of one function."""

    def _optimize_functions(self, ll_module):
        """Leave out functions that are only declared: since 0.62 Numba prepares its passes anew for each one."""
        if hasattr(self._codegen, "_pass_builder"):
            ll_module.data_layout = self._codegen._data_layout
            defined = [function for function in ll_module.functions if not function.is_declaration]
            ll_module = SimpleNamespace(functions=defined)
        super()._optimize_functions(ll_module)

    def add_linking_library(self, library):
        """Link it in, but not the functions that allocate memory, which kernels do not."""
        if library is not rtsys.library:
            super().add_linking_library(library)


class KernelCompiler(CompilerBase):
    """Numba's compiler of one function."""

    def compile_extra(self, func):
        """Compile the function into a library of ours."""
        self.state.library = _Library(self.state.targetctx.codegen(), func.__qualname__)
        self.state.library.enable_object_caching()  # so that it can be kept
        return super().compile_extra(func)

    def define_pipelines(self):
        """Numba's passes, those that kernels use."""
        pipeline = DefaultPassBuilder.define_nopython_pipeline(self.state)
        pipeline.passes = [(of, told) for of, told in pipeline.passes if of.name() not in _UNUSED]
        return [pipeline]
