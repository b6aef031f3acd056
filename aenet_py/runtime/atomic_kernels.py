"""A counter that threads share: each takes the next piece of work when it is done with one."""

from llvmlite import ir
from numba.core import types
from numba.core.typing.templates import AbstractTemplate, infer_global, signature
from numba.extending import lower_builtin


def take_next(counter):
    """The number in an array of one integer, which grows by one; no two threads get the same."""
    number = counter[0]
    counter[0] = number + 1
    return number


@infer_global(take_next)
class _TakeNext(AbstractTemplate):
    key = take_next

    def generic(self, arguments, _keywords):
        return signature(types.int64, *arguments)


@lower_builtin(take_next, types.Array)
def _take_next_code(context, builder, given, values):
    data = context.make_array(given.args[0])(context, builder, values[0]).data
    return builder.atomic_rmw("add", data, ir.Constant(ir.IntType(64), 1), "monotonic")
