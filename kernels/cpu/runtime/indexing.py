"""Rows and slices of arrays in the code of kernels, ``A[i]`` and ``a[i:j]``: a third and a fifth of Numba's code.

They are what they are in Python: an index below zero counts from the end, and the bounds of a slice are brought between
zero and the length. As in all that Numba compiles, an index beyond the end is not looked for.
"""

import functools

from llvmlite.ir import Constant, IntType
from numba.core import types


def view(context, builder, result, kind, value, index_kind, index):
    """The row or slice, of type `result`, of an array of type `kind`; None where Numba is to find it."""
    if type(kind) is not types.Array:
        return None
    if index_kind == types.slice2_type:
        bounds = (builder.extract_value(index, at) for at in range(2))
        return _Array(context, builder, kind, value).part(result, *bounds)
    if isinstance(index_kind, types.Integer) and kind.ndim > 1:
        return _Array(context, builder, kind, value).row(result, context.cast(builder, index, index_kind, types.intp))
    return None


class _Array:
    """An array in code that is being written."""

    def __init__(self, context, builder, kind, value):
        self.context, self.builder, self.kind, self.value = context, builder, kind, value
        self.word = context.get_value_type(types.intp)
        self.shape, self.strides = map(self._numbers, ("shape", "strides"))

    def _field(self, name):
        at = self.context.data_model_manager[self.kind].get_field_position(name)
        return self.builder.extract_value(self.value, at)

    def _numbers(self, name):
        field = self._field(name)
        return [self.builder.extract_value(field, at) for at in range(self.kind.ndim)]

    def part(self, result, start, stop):
        """The rows from `start` on and before `stop`."""
        start, stop = self._bound(start), self._bound(stop)
        count = self._at_least_zero(self.builder.sub(stop, start))
        return self._made(result, start, [count, *self.shape[1:]], self.strides)

    def row(self, result, index):
        """The row of that index."""
        return self._made(result, self._from_zero(index), self.shape[1:], self.strides[1:])

    def _from_zero(self, index):
        is_from_the_end = self.builder.icmp_signed("<", index, self.word(0))
        return self.builder.select(is_from_the_end, self.builder.add(index, self.shape[0]), index)

    def _bound(self, index):
        index = self._at_least_zero(self._from_zero(index))
        return self.builder.select(self.builder.icmp_signed(">", index, self.shape[0]), self.shape[0], index)

    def _at_least_zero(self, number):
        return self.builder.select(self.builder.icmp_signed("<", number, self.word(0)), self.word(0), number)

    def _product(self, numbers):
        return functools.reduce(self.builder.mul, numbers)

    def _address(self, index):
        builder, data = self.builder, self._field("data")
        if self.kind.layout == "C":
            return builder.gep(data, [self._product([index, *self.shape[1:]])])
        memory = builder.bitcast(data, IntType(8).as_pointer())
        return builder.bitcast(builder.gep(memory, [builder.mul(index, self.strides[0])]), data.type)

    def _made(self, kind, index, shape, strides):
        """The array that begins with the row of this index."""
        array, model = Constant(self.context.get_value_type(kind), None), self.context.data_model_manager[kind]
        fields = {"data": self._address(index), "itemsize": self._field("itemsize"), "nitems": self._product(shape)}
        for name, numbers in (("shape", shape), ("strides", strides)):
            field = Constant(array.type.elements[model.get_field_position(name)], None)
            for at, number in enumerate(numbers):
                field = self.builder.insert_value(field, number, at)
            fields[name] = field
        for name, field in fields.items():
            array = self.builder.insert_value(array, field, model.get_field_position(name))
        return array
