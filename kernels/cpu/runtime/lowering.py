"""How Numba's form of a kernel becomes LLVM's: variables stay values, where Numba gives them memory.

Numba gives every variable that is used outside the block that assigns it a place on the stack. It fills the place with
zeros, reads the old value before each assignment, and reads and clears it after the last use, so that references are
counted. Kernels count none, and their variables are often named tuples of arrays, a hundred words each: most of what
LLVM was given was about these places, and it had to take them apart again.

A variable that is assigned once, where every use is sure to come after, needs no place. A loop over a range with a
constant step is written in 25 instructions, where Numba takes a hundred. Elements of arrays are left as Numba has them:
in 7 instructions for 50 they took a twelfth less time to compile, and fits were as much slower as faster.
"""

from llvmlite.ir import Constant, IRBuilder, Undefined
from numba.core import analysis, cgutils, ir, ir_utils, types
from numba.core.compiler_machinery import register_pass
from numba.core.lowering import Lower
from numba.core.typed_passes import BaseNativeLowering

from . import calling, frames, indexing

_OF_PAIRS = "pair_first", "pair_second"  # in the order of the fields


class _Lower(Lower):
    """Numba's, for functions that count no references (`functions.OPTIONS`)."""

    def _find_singly_assigned_variable(self):
        """Find the variables that need no place on the stack.

        Numba has given each assignment a variable of its own, but where ways meet (SSA form). So a block that assigns a
        variable which no other does is sure to come before all that use it; in that block itself a use may be before.
        """
        used = analysis.compute_use_defs(self.blocks).usemap
        once = ((name, blocks[0]) for name, blocks in self._where_assigned().items() if len(blocks) == 1)
        self._singly_assigned_vars = {name for name, block in once if name not in used[block]}
        self._blk_local_varmap = {}

    def _where_assigned(self):
        """The blocks that assign each variable, one as often as it does."""
        found = {}
        for number, block in self.blocks.items():
            for assignment in block.find_insts(ir.Assign):
                found.setdefault(assignment.target.name, []).append(number)
        return found

    def lower_function_body(self):
        """Lower the blocks, each after those that are sure to come before it."""
        order = ir_utils.find_topo_order(self.blocks)
        for number in order:
            self.blkmap[number] = self.function.append_basic_block(f"B{number}")
        self.pre_lower()
        entry = self.builder.basic_block
        for number in order:
            self.builder.position_at_end(self.blkmap[number])
            self.lower_block(self.blocks[number])
        self.post_lower()
        return entry

    def setup_function(self, fndesc):
        """Begin the function."""
        self.function = calling.declare(self.context, self.module, fndesc)
        self.entry_block = self.function.append_basic_block("entry")
        self.builder = IRBuilder(self.entry_block)
        self.call_helper = self.call_conv.init_call_helper(self.builder)

    def extract_function_arguments(self):
        """Its arguments."""
        self.fnargs = calling.arguments(self.function)
        return self.fnargs

    def alloca_lltype(self, name, lltype, datamodel=None):
        """A place on the stack."""
        return cgutils.alloca_once(self.builder, lltype, name=name)

    def storevar(self, value, name, argidx=None):
        """Assign to a variable."""
        if name in self._singly_assigned_vars:
            self._blk_local_varmap[name] = value
        else:
            self.builder.store(value, self.getvar(name))

    def delvar(self, name):
        """Leave a variable as it is after its last use."""

    def lower_expr(self, resty, expr):
        """Lower an expression."""
        if expr.op == "getiter":
            step = self._constant_step(expr.value)
            if step:
                return self._range_iterator(self.context.get_value_type(resty), expr.value, step)
        elif expr.op == "iternext" and isinstance(self.typeof(expr.value.name), types.RangeIteratorType):
            return self._next_of_range(self.context.get_value_type(resty), self.loadvar(expr.value.name))
        elif expr.op in _OF_PAIRS:
            return self.builder.extract_value(self.loadvar(expr.value.name), _OF_PAIRS.index(expr.op))
        elif expr.op == "getitem":
            array, index = ((self.typeof(of.name), self.loadvar(of.name)) for of in (expr.value, expr.index))
            found = indexing.view(self.context, self.builder, resty, *array, *index)
            if found is not None:
                return found
        return super().lower_expr(resty, expr)

    def _constant_step(self, variable):
        """The step of the range that a variable holds, if it is a constant; else None."""
        if not isinstance(self.typeof(variable.name), types.RangeType):
            return None
        made = ir_utils.guard(ir_utils.get_definition, self.func_ir, variable)
        if not isinstance(made, ir.Expr) or made.op != "call" or made.vararg is not None:
            return None
        if len(made.args) < 3:
            return 1
        return getattr(self.typeof(made.args[2].name), "literal_value", None)

    def _range_iterator(self, kind, variable, step):
        """An iterator as Numba's, whose fields are where to find the next number, nothing, the step, and the count."""
        builder, state = self.builder, self.loadvar(variable.name)
        start, stop = (builder.extract_value(state, at) for at in range(2))
        word = start.type
        first, last = (start, stop) if step > 0 else (stop, start)
        count = builder.sub(last, first)
        if abs(step) > 1:
            count = builder.sdiv(builder.add(count, word(abs(step) - 1)), word(abs(step)))
        count = builder.select(builder.icmp_signed(">", count, word(0)), count, word(0))
        number_at, count_at = (cgutils.alloca_once(builder, word) for _ in range(2))
        builder.store(start, number_at)
        builder.store(count, count_at)
        iterator = Constant(kind, Undefined)
        for at, field in ((0, number_at), (2, word(step)), (3, count_at)):
            iterator = builder.insert_value(iterator, field, at)
        return iterator

    def _next_of_range(self, kind, iterator):
        """The next number, and whether there is one."""
        builder = self.builder
        number_at, step, count_at = (builder.extract_value(iterator, at) for at in (0, 2, 3))
        number, count = builder.load(number_at), builder.load(count_at)
        is_there = builder.icmp_signed(">", count, count.type(0))
        with builder.if_then(is_there):  # as Numba has it: LLVM makes slower code of loops that always count on
            builder.store(builder.add(number, step), number_at)
            builder.store(builder.sub(count, count.type(1), flags=["nsw"]), count_at)
        return builder.insert_value(builder.insert_value(Constant(kind, Undefined), number, 0), is_there, 1)


class _LowerBody(_Lower):
    def create_cfunc_wrapper(self):
        """Its function for C is the task."""
        frames.add_task(self.context, self.library, self.fndesc)


@register_pass(mutates_CFG=True, analysis_only=False)
class KernelLowering(BaseNativeLowering):
    """Numba's pass for any function of kernels."""

    _name = "kernel_lowering"
    lowering_class = _Lower


@register_pass(mutates_CFG=True, analysis_only=False)
class BodyLowering(BaseNativeLowering):
    """Numba's pass for the body of a kernel."""

    _name = "kernel_body_lowering"
    lowering_class = _LowerBody
