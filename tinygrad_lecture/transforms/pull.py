"""Errors pulled back from any outputs to the arguments: vjp, and the Jacobian and the Hessian built on it."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import wraps
from typing import Any

import numpy as np

from ..engine.tensor import Tensor
from ..engine.tree import flatten, tree_map
from ..engine.values import Array
from ..engine.walk import arriving
from ..misnamed import explained
from .arguments import (
    Run,
    alike,
    chosen_places,
    must_call,
    name_of,
    outputs_of,
    places_among,
    plain_tree,
    run,
    unshared,
    zeros,
)
from .gradient import grad
from .push import pushed


@explained("vjp(f, *args)")
def vjp(f: Callable[..., Any], *args: Any) -> tuple[Any, Callable[[Any], tuple[Any, ...]]]:
    """The outputs of f at args, and the function that pulls an error back from them: err ↦ Jᵀ err.

    f: plain NumPy code, f(*args) → an array or any nesting of arrays; args: arrays, floats, or nestings of them.
    Returns (y, pull_back); pull_back(err), with err of y's form and shapes, gives a tuple with an error for each
    argument, of its form, shapes and dtypes. It may be called again, and f does not run again; args and y may be
    written into meanwhile.
    Raises TypeError for arguments or outputs that are not floating, ValueError for an err of another form or shape.
    Source: C3, the error that arrives and what is handed on.

    >>> y, pull_back = vjp(lambda w, x: w @ x, np.ones((2, 3)), np.array([1.0, 2.0, 3.0]))
    >>> pull_back(np.array([1.0, -1.0]))[1]
    array([0., 0., 0.])
    """
    must_call(f, "vjp")
    name = name_of(f)
    ran = run(f, tree_map(unshared, args), list(range(len(args))), {})
    outs, _ = outputs_of(ran.result, name, "vjp")

    def pull_back(err: Any) -> tuple[Any, ...]:
        errs = alike(err, ran.result, "err", f"the output of {name}")
        starts = [(y, arriving(y, e)) for y, e in zip(outs, errs, strict=True) if type(y) is Tensor and y.needs]
        return tuple(ran.rebuild(ran.gradients(starts)[0]))

    return tree_map(unshared, plain_tree(ran, ran.result)), pull_back


@explained("jacobian(f)(*args)")
def jacobian(f: Callable[..., Any], argnums: int | tuple[int, ...] = 0) -> Callable[..., Any]:
    """The function that computes the Jacobian J_ij = ∂f_i/∂x_j.

    f: plain NumPy code, f(*args) → an array or any nesting of arrays; argnums: as for `grad`.
    Returns J(*args): for every array of f's output a container of the argument's form, with arrays of shape
    (*output, *argument). It pulls back one error for each output, or pushes forward one change for each input,
    whichever are fewer. Nested, it gives higher orders.
    Raises TypeError for arguments or outputs that are not floating and argnums that are no numbers, ValueError for an
    argnum out of range. Source: C8, the first term of the Taylor expansion.

    >>> jacobian(lambda x: x[:2] * x[2])(np.array([1.0, 2.0, 3.0]))
    array([[3., 0., 1.],
           [0., 3., 2.]])
    """
    must_call(f, "jacobian")
    name = name_of(f)
    wanted, single = chosen_places(argnums, f, "jacobian")

    @wraps(f)
    def jacobian_of_f(*args: Any, **kwargs: Any) -> Any:
        ran = run(f, args, places_among(wanted, len(args), name), kwargs)
        outs, rebuild_outputs = outputs_of(ran.result, name, "jacobian")
        n_out, n_in = sum(np.size(y) for y in outs), sum(x.size for x in ran.inputs)
        blocks = _by_rows(ran, outs) if n_out <= n_in else _by_columns(ran, outs)
        rows = [ran.rebuild(row) for row in blocks]
        return rebuild_outputs([row[0] if single else tuple(row) for row in rows])

    return jacobian_of_f


def _by_rows(ran: Run, outs: list[Any]) -> list[list[Array]]:
    """The blocks ∂y/∂x, for each output y a list over the inputs x: an error of 1 pulled back from each element."""
    blocks = []
    for y in outs:
        pulled = [ran.gradients([(y, e)] if type(y) is Tensor else [])[0] for e in _units(y)]
        as_tensors = ran.differentiable()
        blocks.append([_stacked([row[i] for row in pulled], y, x, as_tensors) for i, x in enumerate(ran.inputs)])
    return blocks


def _by_columns(ran: Run, outs: list[Any]) -> list[list[Array]]:
    """The same blocks by columns: a change of 1 in each element of each input, pushed forward."""
    as_tensors = ran.differentiable()
    blocks: list[list[Array]] = [[] for _ in outs]
    for i, x in enumerate(ran.inputs):
        changes = [pushed(outs, ran.inputs, {i: e}, as_tensors) for e in _units(x)]
        for y, block, column in zip(outs, blocks, _columns(changes, outs), strict=True):
            block.append(_stacked(column, y, x, as_tensors, axis=-1))
    return blocks


def _columns(changes: list[list[Array]], outs: list[Any]) -> list[list[Array]]:
    return [[change[k] for change in changes] for k in range(len(outs))]


def _units(a: Any) -> Iterator[Array]:
    """For each element of an array the array of zeros with a 1 there."""
    for index in np.ndindex(np.shape(a)):
        e = np.zeros(np.shape(a), a.dtype if hasattr(a, "dtype") else float)
        e[index] = 1
        yield e[()]


def _stacked(parts: list[Array], y: Any, x: Any, as_tensors: bool, axis: int = 0) -> Array:
    """A block of the Jacobian from its rows or columns, in the dtype of the argument."""
    shape = (*np.shape(y), *np.shape(x))
    if not parts:
        return zeros(np.zeros(shape, x.dtype), as_tensors)
    block = np.reshape(np.stack(parts, axis=axis), shape)[()]
    return block if block.dtype == x.dtype else block.astype(x.dtype)


@explained("hessian(f)(*args)")
def hessian(f: Callable[..., Any], argnums: int | tuple[int, ...] = 0) -> Callable[..., Any]:
    """The function that computes the Hessian ∂²f/∂x_i∂x_j of a scalar function.

    f, argnums: as for `grad`. Returns H(*args): for an array of shape s one of shape (*s, *s); for a container, a
    container of its form, with one in place of every array. Errors as for `grad`. Source: C8, G.

    >>> hessian(lambda x: x[0] ** 2 * x[1])(np.array([3.0, 5.0]))
    array([[10.,  6.],
           [ 6.,  0.]])
    """
    must_call(f, "hessian")
    chosen_places(argnums, f, "hessian")
    return jacobian(grad(f, argnums), argnums)


@explained("hvp(f)(*args, v)")
def hvp(f: Callable[..., Any], argnums: int | tuple[int, ...] = 0) -> Callable[..., Any]:
    """The function that computes the product G v of a scalar function's Hessian with a vector, without forming it.

    f, argnums: as for `grad`. Returns h(*args, v), v of the form and shapes of the argument (of the tuple of
    arguments, where argnums is one); it gives an array or container like v. The cost is that of a few gradients.
    Raises ValueError for a v of another form or shape, and what `grad` raises. Source: C8, ½ ΔwᵀGΔw; Pearlmutter 1994.

    >>> hvp(lambda x: x[0] ** 2 * x[1])(np.array([3.0, 5.0]), np.array([1.0, 0.0]))
    array([10.,  6.])
    """
    must_call(f, "hvp")
    wanted, single = chosen_places(argnums, f, "hvp")
    gradient = grad(f, argnums)
    name = name_of(f)

    @wraps(f)
    def product(*args: Any, **kwargs: Any) -> Any:
        if len(args) < 2:
            raise TypeError(f"hvp({name}) is called with the arguments of {name} and then v; {len(args)} were given")
        *points, v = args
        places = places_among(wanted, len(points), name)
        like = points[places[0]] if single else tuple(points[i] for i in places)
        vs = alike(v, like, "v", f"the argument of {name}")

        def slope_along_v(*points: Any) -> Any:
            gs, _ = flatten(gradient(*points, **kwargs))
            return sum((np.sum(g * v) for g, v in zip(gs, vs, strict=True)), start=np.float64(0.0))

        return grad(slope_along_v, argnums)(*points)

    return product
