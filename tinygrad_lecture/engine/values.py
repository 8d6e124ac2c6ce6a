"""What an array may hold here: real numbers, floating ones where a gradient is wanted."""

from __future__ import annotations

from typing import Any

import numpy as np

Array = Any
"""What NumPy computes with: an ndarray, a NumPy scalar, a Python number, and here a Tensor."""


def shape_of(x: Any) -> tuple[int, ...]:
    """`np.shape(x)`, in a third of the time where x knows its own."""
    shape: tuple[int, ...] | None = getattr(x, "shape", None)
    return np.shape(x) if shape is None else shape


def keep_freed_memory() -> None:
    """Let the C library keep the memory that is freed, up to 64 MB, for what is computed next.

    Each training step frees what the next one needs. By default glibc gives blocks from 128 kB on back to the system at
    once, which then hands out and clears each page anew; once a large block has been freed, it keeps smaller ones. This
    one is never written to, so it takes no memory. Source: mallopt(3), M_MMAP_THRESHOLD.
    """
    np.empty(2**25 - 2**13, np.uint8)


keep_freed_memory()


def real(a: Any, name: str) -> Any:
    """The array itself where it holds real numbers, else an error that names what it holds."""
    kind = a.dtype.kind
    if kind in "fiub":
        return a
    held = {"c": "complex numbers", "O": "Python objects", "U": "strings", "S": "bytes"}.get(kind, f"{a.dtype} data")
    raise TypeError(f"{name}: {held} have no gradient here; pass real numbers, for example np.asarray(a, dtype=float)")


def must_float(a: Any, where: str) -> None:
    """Refuse integers and booleans where a gradient is wanted, with the cast to write."""
    if a.dtype.kind != "f":
        raise TypeError(
            f"{where}: values of dtype {a.dtype} have no gradient; cast them, for example "
            "np.asarray(a, dtype=float), or write 3.0 in place of 3"
        )


def owned(values: Any, dtype: Any = None) -> Array:
    """A private, read-only copy of real values; a number becomes a NumPy scalar, which is faster."""
    must_be_plain(values, "Tensor")
    a = real(copied(values) if type(values) is np.ndarray else np.array(values), "Tensor")
    if dtype is not None and a.dtype != dtype:
        if not np.can_cast(a.dtype, dtype, "same_kind"):
            raise TypeError(f"values of dtype {a.dtype} would not fit {np.dtype(dtype)}; cast them first")
        a = a.astype(dtype)
    if a.ndim == 0 and not isinstance(values, np.ndarray):
        return a[()]
    a.flags.writeable = False
    return a


def view_of(a: np.ndarray) -> np.ndarray:
    """A view of an array that nobody writes through."""
    view = a.view()
    view.setflags(False)  # type: ignore[call-arg]  # NumPy's stubs want write=, which takes twice as long
    return view


def of_its_own(a: np.ndarray) -> np.ndarray:
    """The values of a view that stay: a copy, where somebody may write into what it is a view of, packed weights say.

    A node that remembers its inputs need not do this: a walk over it refuses once they are written.
    """
    flags = getattr(a.base, "flags", None)
    return copied(a) if flags is None or flags.writeable else a


def copied(a: np.ndarray) -> np.ndarray:
    """A copy with the strides of the array itself, on which the last bits of NumPy's sums and loops depend."""
    plain = a.copy(order="K")
    if plain.strides == a.strides:
        return plain
    low, high = np.lib.array_utils.byte_bounds(a)
    offset = a.__array_interface__["data"][0] - low
    copy: np.ndarray = np.ndarray(a.shape, a.dtype, np.empty(high - low, np.uint8), offset, a.strides)
    copy[...] = a
    return copy


def operand(x: Any, name: str) -> Any:
    """An input that is no Tensor, as an operation may keep it: an array, a number or None."""
    if type(x) is np.ndarray or x is None:
        return x if x is None else real(x, name)
    must_be_plain(x, name)
    return x if isinstance(x, int | float) else real(x if isinstance(x, np.generic) else np.asarray(x), name)


def must_be_plain(x: Any, name: str) -> None:
    """Refuse arrays whose mask or own arithmetic would be lost."""
    if type(x) is np.ndarray or not isinstance(x, np.ndarray):
        return  # asking for np.ma would import it
    if isinstance(x, np.ma.MaskedArray | np.matrix):
        raise TypeError(
            f"{name}: a {type(x).__name__} is more than its numbers, and that would be lost; use np.asarray"
        )


def one_array(data: Any, name: str) -> np.ndarray:
    """The result of an operation as an array; several results in a tuple or list are refused."""
    if isinstance(data, tuple | list):
        raise TypeError(f"{name} returned a {type(data).__name__}: a differentiable operation has one output array")
    return real(np.asarray(data), name)  # type: ignore[no-any-return]


def named(error: Exception, name: str, inputs: tuple[Any, ...]) -> Exception:
    """NumPy's error about shapes or indices, with the operation and the shapes of its inputs named."""
    shapes = " and ".join(str(np.shape(x)) for x in inputs if x is not None)
    text = f"{name}: {str(error).removeprefix(name + ': ')} [shapes of the inputs: {shapes}]"
    return type(error)(text) if type(error) in (ValueError, IndexError, np.linalg.LinAlgError) else ValueError(text)
