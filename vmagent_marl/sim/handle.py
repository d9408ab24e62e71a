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

# Items of arrays. A field of a NamedTuple is `Annotated[Int64, "B", "K", 10]`: its items, and its
# axes. Axes of one name are of one length throughout a table, so that kernels compute a place once
# for all arrays of the same axes; a number is a length that kernels know when they are compiled.
Bool = NDArray[np.bool_]
Int8 = NDArray[np.int8]
UInt8 = NDArray[np.uint8]
Int32 = NDArray[np.int32]
Int64 = NDArray[np.int64]
Float32 = NDArray[np.float32]
Float64 = NDArray[np.float64]

types: Any = numba.types  # which mypy does not see through
World = Any  # the table of (Rules, Feed, State)
JIT = not numba.config.DISABLE_JIT


def pack(*tuples: Any) -> Any:
    """The table of some NamedTuples; with the JIT off, the tuples themselves.

    In the order of the fields: an array's address, then the lengths of its axes that no array
    before it has named; or a number, a float by its bits.
    """
    if not JIT:
        return tuples
    words: list[int] = []
    lengths: dict[str, int] = {}
    for values in tuples:
        hints = get_type_hints(type(values), include_extras=True)
        for value, hint in zip(values, hints.values(), strict=True):
            if isinstance(value, np.ndarray):
                assert numba.typeof(value).copy(readonly=False) == _kind(hint)  # C-contiguous too
                words.append(value.ctypes.data)
                for axis, length in zip(_axes(hint), value.shape, strict=True):
                    if isinstance(axis, str) and axis not in lengths:
                        lengths[axis] = length
                        words.append(length)
                    known = lengths[axis] if isinstance(axis, str) else axis
                    assert length == known, f"{hint}: {axis} is {known}, not {length}"
            elif hint is float:
                words.append(int(np.float64(value).view(np.int64)))
            else:
                words.append(int(value))
    return np.array(words, np.int64)


def unpacker(*classes: type[Any]) -> Any:
    """A function for kernels: from the table of NamedTuples of these classes to the tuples."""
    if not JIT:
        return lambda table: table
    hints = [list(get_type_hints(each, include_extras=True).values()) for each in classes]
    wanted = types.Tuple(
        [
            types.NamedTuple([_kind(hint) for hint in fields], each)
            for each, fields in zip(classes, hints, strict=True)
        ]
    )

    @intrinsic  # type: ignore[untyped-decorator]  # numba is not typed
    def unpack(typing_context: Any, table: Any) -> Any:
        def build(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
            table = context.make_array(signature.args[0])(context, builder, arguments[0])
            lengths: dict[str, Any] = {}
            place = 0

            def word() -> Any:
                nonlocal place
                place += 1
                return builder.load(cgutils.gep_inbounds(builder, table.data, place - 1))

            def length(axis: str | int) -> Any:
                if not isinstance(axis, str):
                    return context.get_constant(types.intp, axis)
                if axis not in lengths:
                    lengths[axis] = word()
                return lengths[axis]

            def value(hint: Any) -> Any:
                if get_origin(hint) is Annotated:
                    address = word()
                    shape = [length(axis) for axis in _axes(hint)]
                    return _array(context, builder, _kind(hint), address, shape)
                if hint is float:
                    return builder.bitcast(word(), ir.DoubleType())
                if hint is bool:
                    return builder.icmp_signed("!=", word(), context.get_constant(types.int64, 0))
                return word()

            tuples = [
                context.make_tuple(builder, kind, [value(hint) for hint in fields])
                for kind, fields in zip(wanted.types, hints, strict=True)
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


def _axes(hint: Any) -> tuple[str | int, ...]:
    """The axes of an array's annotation."""
    return get_args(hint)[1:]


def _kind(hint: Any) -> Any:
    """The numba type of a field."""
    if get_origin(hint) is Annotated:
        item = get_args(get_args(get_args(hint)[0])[1])[0]
        return types.Array(numba.from_dtype(np.dtype(item)), len(_axes(hint)), "C")
    return {int: types.int64, float: types.float64, bool: types.boolean}[hint]


def _natural() -> Any:
    """`natural`: the same number, which kernels may take to be never negative."""
    if not JIT:
        return lambda number: number

    @intrinsic  # type: ignore[untyped-decorator]  # numba is not typed
    def natural(typing_context: Any, number: Any) -> Any:
        def build(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
            zero = context.get_constant(number, 0)
            kind = ir.FunctionType(ir.VoidType(), [ir.IntType(1)])
            assume = builder.module.declare_intrinsic("llvm.assume", (), kind)
            builder.call(assume, [builder.icmp_signed(">=", arguments[0], zero)])
            return arguments[0]

        return number(number), build

    return natural


natural = _natural()
