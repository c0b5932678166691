"""How compiled code calls functions of kernels: each argument is passed as the value that it is.

Numba passes every field of every array as an argument of its own, takes arrays apart before a call and puts them
together after it, and finds out what has been raised in ten ways. Here a function that has raised an exception, which
none of the kernels does, ends its caller.
"""

from llvmlite import ir
from llvmlite.ir.values import ArgumentAttributes
from numba.core import callconv, cgutils

# "The function keeps no pointer to this", by its name in the LLVM that is installed: the second is the older one.
_NOT_KEPT = next(name for name in ("captures(none)", "nocapture") if name in ArgumentAttributes._known)
_PLACES = 2  # the first arguments, as Numba has them: where the result goes, and where an exception would


def declare(context, module, of):
    """The function that Numba describes by `of`, in a module of LLVM."""
    kind = context.call_conv.get_function_type(of.restype, ())
    values = [context.get_value_type(argument) for argument in of.argtypes]
    kind = ir.FunctionType(kind.return_type, [*kind.args, *values])
    function = cgutils.get_or_insert_function(module, kind, of.mangled_name)
    for place in function.args[:_PLACES]:
        place.add_attribute(_NOT_KEPT)
        place.add_attribute("noalias")
    if of.inline:
        function.attributes.add("alwaysinline")
    return function


def arguments(function):
    """The arguments that a function got."""
    return function.args[_PLACES:]


def call(context, builder, of, values, exception=None, attributes=()):
    """Call the function that Numba describes by `of`: the number that says whether it returned, and its result."""
    function = declare(context, builder.module, of)
    result, exception_type = (place.type for place in function.args[:_PLACES])
    place = cgutils.alloca_once(builder, result.pointee)
    if exception is None:
        exception = cgutils.alloca_once(builder, exception_type.pointee)
    status = builder.call(function, [place, exception, *values], attrs=attributes)
    return status, context.get_returned_value(builder, of.restype, builder.load(place))


def emit_call(context, builder, of, values):
    """As `call`, where the caller returns at once if this raises an exception. The result."""
    status, result = call(context, builder, of, values, builder.function.args[_PLACES - 1])
    with builder.if_then(builder.icmp_signed("!=", status, callconv.RETCODE_OK)):
        builder.ret(status)
    return result


def register(context, compiled):
    """Have compiled code call this function so, where Numba has just registered it to be called its way."""

    def implementation(context, builder, signature, values):
        return emit_call(context, builder, compiled.fndesc, values)

    implementation.libs = (compiled.library,)
    context.remove_user_function(compiled.entry_point)
    context.insert_func_defn([(implementation, compiled.entry_point, compiled.fndesc.argtypes)])
