"""What compiled code depends on: digests of the kernels' sources. To know them takes no compiler.

A kernel is compiled anew when code that it is made of has changed: its module, what that imports of the kernels, and
the runtime, which compiles it. Comments, docstrings and line numbers are no code. To leave them out a source is parsed,
which takes milliseconds; so what it came to is kept on disk under the digest of its bytes.
"""

import ast
import functools
import hashlib
import json
import os
import sys

from ... import cache

DIRECTORY = "kernels"
_FILE = f"sources-{sys.implementation.cache_tag}.json"  # the parser's output is that of a version of Python
_MOST = 1000  # sources that are remembered
_PREFIX = __name__.removesuffix("cpu.runtime.digests")
_RUNTIME = "cpu.runtime."


def cache_directory():
    """Where compiled kernels are kept, or None where no private directory can be had."""
    return cache.directory(DIRECTORY)


@functools.cache
def digest(module):
    """The digest of all code that a kernel in the module of this name is made of; None for a module elsewhere."""
    found = _sources()
    name = module.removeprefix(_PREFIX)
    if not module.startswith(_PREFIX) or name not in found:
        return None
    pending, closure = {name, *(other for other in found if other.startswith(_RUNTIME))}, set()
    while pending:
        one = pending.pop()
        closure.add(one)
        _, imports = found[one]
        packages = [one.rsplit(".", up)[0] for up in range(1, one.count(".") + 1)]
        pending.update(other for other in (*imports, *packages) if other in found and other not in closure)
    return hashlib.sha256(repr([(one, found[one][0]) for one in sorted(closure)]).encode()).hexdigest()


@functools.cache
def _sources():
    """The digest of the code of every source file, and the names that it may import, by the name of its module."""
    root = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
    known, found, is_new = _kept(), {}, False
    for directory, below, files in os.walk(root):
        below[:] = [name for name in below if name not in ("cuda", "__pycache__")]
        package = directory[len(root) :].replace(os.sep, ".").lstrip(".")
        for file in files:
            if not file.endswith(".py"):
                continue
            with open(os.path.join(directory, file), "rb") as opened:
                content = opened.read()
            is_package = file == "__init__.py"
            name = package if is_package else f"{package}.{file[:-3]}".lstrip(".")
            key = hashlib.sha256(name.encode() + b"\0" + content).hexdigest()
            if key not in known:
                known[key], is_new = _parsed(name, is_package, content), True
            found[name] = known[key]
    if is_new:
        _keep(dict(list(known.items())[-_MOST:]))
    return found


def _parsed(name, is_package, content):
    """The digest of the code of a source, and the names that it may import."""
    tree, imports = ast.parse(content), set()
    statements = [tree]
    while statements:
        statement = statements.pop()
        for part in ("body", "orelse", "finalbody", "handlers", "cases"):
            statements.extend(getattr(statement, part, ()))
        if isinstance(statement, ast.ImportFrom) and statement.level:
            package = name.split(".") if is_package else name.split(".")[:-1]
            package = package[: len(package) - statement.level + 1] + (statement.module or "").split(".")
            base = ".".join(filter(None, package))
            imports.update([base, *(f"{base}.{alias.name}".lstrip(".") for alias in statement.names)])
        if isinstance(statement, (ast.Module, ast.ClassDef, ast.FunctionDef)) and ast.get_docstring(statement, False):
            statement.body[0].value.value = ""
    return hashlib.sha256(ast.dump(tree).encode()).hexdigest(), sorted(imports)


def _kept():
    """What earlier processes have parsed; nothing if that is damaged."""
    content = cache.read(DIRECTORY, _FILE) or b""
    if hashlib.sha256(content[64:]).hexdigest().encode() != content[:64]:
        return {}
    return json.loads(content[64:])


def _keep(known):
    content = json.dumps(known).encode()
    cache.write(DIRECTORY, _FILE, hashlib.sha256(content).hexdigest().encode() + content)
