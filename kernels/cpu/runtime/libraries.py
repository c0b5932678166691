"""Numba's libraries, each of which holds the code of one function, without what kernels have no use for."""

import contextlib
from types import SimpleNamespace

import llvmlite.binding as llvm
from numba.core.codegen import JITCodeLibrary
from numba.core.runtime import rtsys

_LOCALS = "_3clocals_3e"  # "<locals>" in a symbol


_NEWEST_LLVM = 22  # of those that are known to have the option: one that LLVM does not know ends the process


@contextlib.contextmanager
def _without_strength_reduction():
    """Have LLVM leave the addresses in loops as they are. Numba's lock is held, so nothing else is compiled meanwhile.

    LLVM would keep a running address for every array and row of a tile, many more than there are registers: a tenth of
    its work, and assignments with 2 features took half as long again. The loops over features bring their running
    addresses along (`product_sums`), so those with many take as long either way.
    """
    if llvm.llvm_version_info[0] > _NEWEST_LLVM:
        yield
        return
    llvm.set_option("kernels", "-disable-lsr")
    try:
        yield
    finally:
        llvm.set_option("kernels", "-disable-lsr=false")


class Library(JITCodeLibrary):
    """The code of one function, of which machine code is made."""

    def _optimize_functions(self, ll_module):
        """Optimise nothing yet: what is inlined is optimised where it is inlined."""
        ll_module.data_layout = self._codegen._data_layout

    def add_linking_library(self, library):
        """Link it in, but not the functions that allocate memory, which kernels do not."""
        if library is not rtsys.library:
            super().add_linking_library(library)

    def _finalize_specific(self):
        with _without_strength_reduction():
            super()._finalize_specific()


class InnerLibrary(Library):
    """The code of a function that is linked into others: no machine code is made of it alone."""

    codegen = SimpleNamespace(set_env=lambda name, environment: None)  # without machine code there is nowhere to set it

    def _optimize_final_module(self):
        """Run the first of Numba's two rounds, which inlines; the functions that it is linked into have the second."""
        first = {"loop_vectorize": False, "slp_vectorize": False, "opt": 0, "cost": "cheap"}
        passes, builder = self._codegen._module_pass_manager(**first)
        passes.add_global_dead_code_eliminate_pass()  # unused addresses of this process would keep it from being cached
        passes.run(self._final_module, builder)

    def _finalize_final_module(self):
        self._finalize_dynamic_globals()
        self._verify_declare_only_symbols()
        self._finalized = True

    def get_pointer_to_function(self, name):
        """There is none."""
        self._ensure_finalized()
        return 0

    @classmethod
    def of_bitcode(cls, codegen, name, bitcode):
        """The library that has been kept as this bitcode."""
        library = cls(codegen, name)
        library._final_module = library._shared_module = llvm.parse_bitcode(bitcode)
        library._finalize_final_module()
        return library

    def bitcode(self):
        """What others link in.

        A process numbers the functions that it compiles, and has the number in their symbols. Of a function that is
        defined in another (Numba's `max`), different ones may have the same symbol in different processes.
        """
        module = self._get_module_for_linking()
        for function in module.functions:
            if not function.is_declaration and _LOCALS in function.name:
                function.linkage = llvm.Linkage.internal
        return module.as_bitcode()
