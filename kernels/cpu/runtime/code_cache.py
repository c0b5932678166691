"""Compiled code on disk.

It is kept under the digest of all sources that it is made of (`digests`; Numba alone looks at one file), in a directory
that is the user's alone (`kmeans_fast.kernels.cache`), because Numba's format is pickle. A file that is missing,
damaged or another's costs a compilation, never an exception.
"""

import contextlib
import hashlib
import itertools
import pickle
import sys
from contextvars import ContextVar

import llvmlite
import llvmlite.binding as llvm
import numba
from numba.core.caching import NullCache
from numba.core.compiler import CompileResult, compile_result
from numba.core.runtime import rtsys
from numba.core.serialize import dumps

from ... import cache
from . import compiling
from .digests import DIRECTORY, digest
from .libraries import InnerLibrary

# The last is what `entry_code` knows of Python's objects; builds of one version may differ in it.
_VERSIONS = numba.__version__, llvmlite.__version__, sys.implementation.cache_tag, object.__basicsize__


def _serialized(library):
    """A library as Numba serializes it, but for the bitcode that other functions would inline from it.

    Nothing is inlined from cached code, and to copy, write and parse it is a twentieth of compiling and a third of the
    time of loading. What is left of it are the names that it defines, which Numba looks up.
    """
    symbols = itertools.chain(library._final_module.functions, library._final_module.global_variables)
    names = [f'@"{symbol.name}" = common global ptr null' for symbol in symbols if not symbol.is_declaration]
    return library.name, "object", (library._get_compiled_object(), llvm.parse_assembly("\n".join(names)).as_bitcode())


_only_kept: ContextVar[bool] = ContextVar("kmeans_fast_only_kept", default=False)


class NotKeptError(Exception):
    """Inside `only_kept`, code was wanted that is neither loaded nor on disk."""


@contextlib.contextmanager
def only_kept():
    """Inside a ``with`` block, in this thread or task, nothing is compiled: `NotKeptError` is raised in its place."""
    before = _only_kept.set(True)
    try:
        yield
    finally:
        _only_kept.reset(before)


functions = {}
"""What other code may call by symbol: of each name, a function from its signature to that symbol."""
symbols = {}
"""The symbols that have been made in this process: of each, the name of its function and its signature."""


class CodeCache(NullCache):
    """What Numba asks for the compiled code of one function, and gives it to; a file for each signature.

    What the code calls by symbol is loaded (or compiled) first, and must be what the code knows.
    """

    def __init__(self, function):
        self.module = function.__module__
        module = self.module.rpartition(".")[2]
        self.name = f"{module}.{function.__qualname__}".replace("<", "").replace(">", "")

    def _key(self, sig, codegen):
        return repr((self.name, digest(self.module), sig, codegen.magic_tuple(), _VERSIONS))

    def _file(self, key):
        return f"{self.name}-{hashlib.sha256(key.encode()).hexdigest()[:24]}.nbc"

    def load_overload(self, sig, target_context):
        """The compiled code, or None."""
        # Numba would fill its tables of all that it can compile first (0.2 s of a process); code that is ready needs
        # the run-time system alone.
        rtsys.initialize(target_context)
        key = self._key(sig, target_context.codegen())
        found = self._loaded(key, target_context)
        if found is None:
            if _only_kept.get():
                raise NotKeptError(self.name)
            if digest(self.module) is not None:
                compiling.alone(key, f"{self._file(key)}.lock")
                found = self._loaded(key, target_context)  # another process may have kept it meanwhile
        if found is None:
            compiling.begins()
        else:
            compiling.done(key)
        return found

    def _loaded(self, key, target_context):
        """The code of this key, or None."""
        try:
            content = cache.read(DIRECTORY, self._file(key))
            if content is not None and hashlib.sha256(content[32:]).digest() == content[:32]:
                known, called, result = pickle.loads(content[32:])
                # Otherwise it is another signature's file, or a file of what it calls comes from another process.
                if known == key and all(functions[name](of) == symbol for symbol, name, of in called):
                    return self._rebuilt(target_context, *result)
        except Exception:  # whatever a damaged file makes of Numba
            pass
        return None

    def _rebuilt(self, target_context, *result):
        return CompileResult._rebuild(target_context, *result)

    def save_overload(self, sig, data):
        """Keep the code if that can be done."""
        key = self._key(sig, data.codegen)
        if not self._keep(key, data):
            compiling.lost.append(self.name)
        compiling.done(key)

    def _keep(self, key, data):
        """Keep the code if it is code to be kept; False where writing it fails."""
        if data.library.has_dynamic_globals:
            return True  # addresses of this process
        if digest(self.module) is None:
            return True  # nothing would tell when it changes
        names = {function.name for function in data.library._final_module.functions if function.is_declaration}
        called = [(symbol, *symbols[symbol]) for symbol in sorted(names & symbols.keys())]
        content = dumps((key, called, self._reduced(data)))
        return cache.write(DIRECTORY, self._file(key), hashlib.sha256(content).digest() + content)

    def _reduced(self, data):
        """What `CompileResult._rebuild` takes, without a description of all types, which takes a while to write."""
        data.fndesc.typemap = data.fndesc.calltypes = None
        environments = tuple(data._find_referenced_environments())
        parts = data.fndesc, data.environment, data.signature, data.objectmode, data.lifted, "", data.reload_init
        return _serialized(data.library), *parts, environments


class InnerCache(CodeCache):
    """As `CodeCache`, for a function that others inline: its bitcode is kept, which other processes need not compile.

    No process waits for another that compiles it, as that takes a tenth of a second.
    """

    def load_overload(self, sig, target_context):
        """The bitcode, or None."""
        return self._loaded(self._key(sig, target_context.codegen()), target_context)

    def save_overload(self, sig, data):
        """Keep the bitcode if that can be done; kernels that are kept do without it."""
        self._keep(self._key(sig, data.codegen), data)

    def _reduced(self, data):
        data.fndesc.typemap = data.fndesc.calltypes = None
        return data.library.name, data.library.bitcode(), data.fndesc, data.environment, data.signature

    def _rebuilt(self, target_context, name, bitcode, fndesc, environment, signature):
        library = InnerLibrary.of_bitcode(target_context.codegen(), name, bitcode)
        return compile_result(
            typing_context=target_context.typing_context,
            target_context=target_context,
            library=library,
            environment=environment,
            entry_point=target_context.get_executable(library, fndesc, environment),
            fndesc=fndesc,
            signature=signature,
            objectmode=False,
            lifted=(),
        )
