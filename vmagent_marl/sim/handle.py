"""Many arrays in one argument: numba takes 80 ns to look at each array that a kernel is given.

`pack` writes NamedTuples of arrays and numbers into one table of addresses, shapes and values, and
`unpacker` makes what puts them together again inside of a kernel. Every array must be C-contiguous
and outlive the table. Where the JIT is off, both hand the tuples on.
"""

from __future__ import annotations

from typing import Annotated, Any, get_args, get_origin, get_type_hints

import numba
import numpy as np
from llvmlite import ir  # type: ignore[import-untyped]  # it has no annotations
from numba.core import cgutils
from numba.extending import intrinsic
from numpy.typing import NDArray

# Arrays by the type of their items and the number of their axes, for the fields of NamedTuples.
Int8x3 = Annotated[NDArray[np.int8], 3]
UInt8x1 = Annotated[NDArray[np.uint8], 1]
UInt8x2 = Annotated[NDArray[np.uint8], 2]
UInt8x3 = Annotated[NDArray[np.uint8], 3]
Int32x1 = Annotated[NDArray[np.int32], 1]
Int32x2 = Annotated[NDArray[np.int32], 2]
Int32x3 = Annotated[NDArray[np.int32], 3]
Int32x4 = Annotated[NDArray[np.int32], 4]
Int64x1 = Annotated[NDArray[np.int64], 1]
Int64x2 = Annotated[NDArray[np.int64], 2]
Int64x3 = Annotated[NDArray[np.int64], 3]
Float32x3 = Annotated[NDArray[np.float32], 3]
Float64x1 = Annotated[NDArray[np.float64], 1]
Float64x2 = Annotated[NDArray[np.float64], 2]

types: Any = numba.types  # which mypy does not see through
World = Any  # the table of (Rules, Feed, State)
JIT = not numba.config.DISABLE_JIT


def pack(*tuples: Any) -> Any:
    """The table of some NamedTuples; with the JIT off, the tuples themselves."""
    if not JIT:
        return tuples
    words: list[int] = []
    for values in tuples:
        hints = get_type_hints(type(values), include_extras=True)
        for value, hint in zip(values, hints.values(), strict=True):
            if isinstance(value, np.ndarray):
                assert numba.typeof(value).copy(readonly=False) == _kind(hint)  # C-contiguous too
                words += [value.ctypes.data, *value.shape]
            elif hint is float:
                words.append(int(np.float64(value).view(np.int64)))
            else:
                words.append(int(value))
    return np.array(words, np.int64)


def unpacker(*classes: type[Any]) -> Any:
    """A function for kernels: from the table of NamedTuples of these classes to the tuples."""
    if not JIT:
        return lambda table: table
    wanted = types.Tuple([_tuple_kind(each) for each in classes])

    @intrinsic  # type: ignore[untyped-decorator]  # numba is not typed
    def unpack(typing_context: Any, table: Any) -> Any:
        def build(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
            table = context.make_array(signature.args[0])(context, builder, arguments[0])
            place = 0

            def word() -> Any:
                nonlocal place
                place += 1
                return builder.load(cgutils.gep_inbounds(builder, table.data, place - 1))

            def value(kind: Any) -> Any:
                if isinstance(kind, types.Array):
                    address = word()
                    return _array(
                        context, builder, kind, address, [word() for _ in range(kind.ndim)]
                    )
                if isinstance(kind, types.Float):
                    return builder.bitcast(word(), ir.DoubleType())
                if isinstance(kind, types.Boolean):
                    return builder.icmp_signed("!=", word(), context.get_constant(types.int64, 0))
                return word()

            tuples = [
                context.make_tuple(builder, kind, [value(item) for item in kind.types])
                for kind in wanted.types
            ]
            return context.make_tuple(builder, wanted, tuples)

        return wanted(table), build

    return unpack


def _array(context: Any, builder: Any, kind: Any, address: Any, shape: list[Any]) -> Any:
    """Code that makes a C-contiguous array of memory that somebody else owns."""
    item = context.get_data_type(kind.dtype)
    size = context.get_constant(types.intp, context.get_abi_sizeof(item))
    strides = [size]
    for length in reversed(shape[1:]):
        strides.insert(0, builder.mul(strides[0], length))
    array = context.make_array(kind)(context, builder)
    context.populate_array(
        array,
        data=builder.inttoptr(address, item.as_pointer()),
        shape=shape,
        strides=strides,
        itemsize=size,
        meminfo=None,
        parent=None,
    )
    return array._getvalue()


def _tuple_kind(named_tuple: type[Any]) -> Any:
    """The numba type of a NamedTuple, from its annotations."""
    hints = get_type_hints(named_tuple, include_extras=True)
    return types.NamedTuple([_kind(hint) for hint in hints.values()], named_tuple)


def _kind(hint: Any) -> Any:
    """The numba type of a field."""
    if get_origin(hint) is Annotated:
        array, axes = get_args(hint)
        item = get_args(get_args(array)[1])[0]
        return types.Array(numba.from_dtype(np.dtype(item)), axes, "C")
    return {int: types.int64, float: types.float64, bool: types.boolean}[hint]
