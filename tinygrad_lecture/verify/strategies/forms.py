"""How operations are written in an expression, and how far inputs are from where each is not smooth."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import numpy as np

Distance = Callable[..., Any]


@dataclass(frozen=True)
class Form:
    """A way to write an operation.

    code: NumPy code with places {0}, {1}, … for its inputs.
    distance: of raw inputs from the nearest kink, jump, pole, or end of the domain.
    analytic: whether complex numbers go through it, so that a complex step gives its slope; arity: how many inputs.
    """

    code: str
    distance: Distance
    analytic: bool
    arity: int = field(init=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "arity", len(set(re.findall(r"{\d}", self.code))))


def smooth(*x: Any) -> float:
    """The distance of what is smooth everywhere."""
    return np.inf


def from_zero(x: Any, *others: Any) -> Any:
    """How far the first input is from 0."""
    return np.min(np.abs(x))


def second_from_zero(a: Any, b: Any) -> Any:
    """How far the second input is from 0."""
    return np.min(np.abs(b))


def positive(x: Any, *others: Any) -> Any:
    """How far the first input is inside x > 0."""
    return np.min(x)


def distinct(x: Any) -> Any:
    """How far any two numbers are from each other."""
    return np.min(np.diff(np.sort(x, axis=None)), initial=np.inf)


def regular(x: Any, *others: Any) -> Any:
    """How far a matrix is from a singular one: its least singular value."""
    return np.min(np.linalg.svd(x, compute_uv=False))


Table = dict[Distance, str]

_ANALYTIC: Table = {
    smooth: """
        -{0} | {0} + {1} | {0} - {1} | {0} * {1} | np.sum({0}) | np.tanh({0}) | {0} ** 2 | {0} ** 3 | 0.5 * {0}
        1.0 - {0} | +{0} | np.exp({0}) | np.sin({0}) | np.cos({0}) | np.square({0}) | np.expm1({0}) | np.exp2({0})
        np.sinh({0}) | np.cosh({0}) | np.arcsinh({0}) | np.sinc({0})
        np.sum({0}, axis={axis}) | np.sum({0}, axis={axis}, keepdims=True) | np.mean({0}) | np.mean({0}, axis={axis})
        np.average({0}, axis={axis}) | np.prod({0}) | np.prod({0}, axis={axis})
        np.cumsum({0}, axis={axis}) | np.cumprod({0}, axis={axis}) | np.diff({0}, axis={axis})
        {0} @ {1} | np.dot({0}, {1}) | np.inner({0}, {1}) | np.outer({0}, {1}) | np.matvec({0}, {1}) | np.kron({0}, {1})
        np.tensordot({0}, {1}, axes=1) | np.einsum("i,i->", {0}, {1}) | np.einsum("ij,jk->ki", {0}, {1})
        np.trace({0}) | np.diagonal({0}) | np.linalg.det({0}) | {0}.T | {0}[0] | {0}[..., -1] | {0}[[0, 0, -1]]
        np.reshape({0}, (-1,)) | np.ravel({0}) | np.broadcast_to({0}, (2, *np.shape({0}))) | np.repeat({0}, 2)
        np.stack([{0}, {1}]) | np.concatenate([{0}, {1}]) | np.flip({0}) | np.roll({0}, 1) | np.pad({0}, 1)
        np.tril({0})
    """,
    from_zero: "1.0 / {0} | np.reciprocal({0}) | {0} ** -1",
    second_from_zero: "{0} / {1}",
    positive: """
        np.log({0}) | np.sqrt({0}) | np.log2({0}) | np.log10({0}) | {0} ** 0.5 | {0} ** {1} | np.power({0}, {1})
    """,
    lambda x: np.min(1.0 + x): "np.log1p({0})",
    lambda x: np.min(1.0 - np.abs(x)): "np.arcsin({0}) | np.arccos({0}) | np.arctanh({0})",
    lambda x: np.min(x - 1.0): "np.arccosh({0})",
    lambda x: np.min(np.abs(np.cos(x))): "np.tan({0})",
    regular: "np.linalg.inv({0}) | np.linalg.solve({0}, {1})",
}

_REAL: Table = {
    smooth: """
        np.arctan({0}) | np.hypot({0}, 1.5) | np.logaddexp({0}, {1}) | np.logaddexp2({0}, {1}) | np.conjugate({0})
        np.deg2rad({0}) | np.rad2deg({0}) | np.radians({0}) | np.degrees({0}) | np.float_power({0}, 2.0)
        np.var({0}) | np.var({0}, axis={axis}) | np.vdot({0}, {1}) | np.linalg.vecdot({0}, {1}) | np.vecmat({0}, {1})
        np.nansum({0}) | np.nanmean({0}, axis={axis}) | np.nanprod({0}) | np.nanvar({0})
        tl.logistic({0}) | tl.softplus({0}) | tl.softmax({0}) | tl.logsumexp({0}) | tl.log_softmax({0})
        tl.linear({0}, {1}, {2}) | tl.squared_error({0}, {1}) | tl.cross_entropy({0}, np.zeros(len({0}), int))
    """,
    from_zero: """
        np.abs({0}) | np.fabs({0}) | tl.relu({0}) | np.cbrt({0}) | {0} * np.sign({0}) | np.heaviside({0}, {1})
        np.where({0} > 0.0, {0}, {1}) | np.linalg.norm({0}) | np.linalg.norm({0}, axis={axis})
        np.linalg.norm({0}, ord=1, axis={axis}) | np.linalg.vector_norm({0})
    """,
    lambda a, b: min(from_zero(a), from_zero(b)): "np.copysign({0}, {1}) | np.hypot({0}, {1})",
    lambda a, b: np.min(np.where(b < 0, np.abs(a), np.hypot(a, b))): "np.arctan2({0}, {1})",
    regular: "np.linalg.slogdet({0})[1]",
    distinct: """
        np.max({0}) | np.min({0}) | np.max({0}, axis={axis}) | np.min({0}, axis={axis}, keepdims=True) | np.ptp({0})
        np.sort({0}, axis={axis}) | np.median({0}) | np.partition({0}, 0) | np.nanmax({0}) | np.nanmin({0})
    """,
    np.std: "np.std({0}) | np.nanstd({0})",
    lambda x: np.min(np.std(x, axis=-1)): "np.std({0}, axis=-1)",
    lambda a, b: np.min(
        np.abs(a - b)
    ): "np.maximum({0}, {1}) | np.minimum({0}, {1}) | np.fmax({0}, {1}) | np.fmin({0}, {1})",
    lambda x: np.min(np.abs(np.abs(x) - 1.0)): "np.clip({0}, -1.0, 1.0)",
    lambda x: np.min(np.abs(x - np.round(x))): "{0} % 1.0 | np.fmod({0}, 1.0) | {0} - np.floor({0})",
}

FORMS: tuple[Form, ...] = tuple(
    Form(code.replace("{axis}", axis), distance, analytic)
    for table, analytic in ((_ANALYTIC, True), (_REAL, False))
    for distance, codes in table.items()
    for code in re.split(r" \| |\n\s*", codes.strip())
    for axis in (("-1", "0") if "{axis}" in code else ("",))
    if all(hasattr(np, name) for name in re.findall(r"np\.(\w+)", code))  # NumPy 2.0 has no matvec
)
"""All forms; those that are easy to read stand first, since hypothesis makes failing draws of the first ones."""
