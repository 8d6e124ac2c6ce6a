"""One update of a net by its learning rule, for who writes the loop: of many weights piece by piece."""

from __future__ import annotations

import signal
from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np

from ..engine.values import shape_of
from ..nn.network import Network
from ..nn.weights import Weights, must_be_outside
from .interrupts import Interrupts
from .rules import Rule, State

PIECE = 2**18
"""So many weights are updated, or looked at, at once: about a megabyte, which a cache holds."""


def update(net: Network, rule: Rule, state: State, *, eta: Any = None, moments: Any = None) -> State:
    """Write w + Δw by the gradients that have arrived at a net's leaves; the rule's state after it.

    rule, state: Δw is rule.delta_w(net.collect(), state, …); at first the state is rule.start(net.w). eta: η of this
    update, rule.eta by default; moments: mean and variance of the g_t, packed like net.w, where the rule needs them.
    The gradients are used up; graphs built before refuse to go backward. Many weights are updated piece by piece, with
    the same bits, if the rule says that it looks at each by itself. Raises TypeError for what is no net or no rule, and
    inside transforms and recordings, ValueError for a state that is not this rule's, and what net.collect and delta_w
    raise: nothing is written then, and the leaves keep their gradients. Ctrl-C comes through when all is written.
    Source: C7, C9.

    >>> net, rule = MLP([2, 3, 1]), GradientDescent(eta=0.1)
    >>> state = rule.start(net.w)
    >>> for _ in range(100):
    ...     E = squared_error(net(x, net.leaves), target)
    ...     E.backward()
    ...     state = update(net, rule, state)
    """
    if not isinstance(net, Network) or isinstance(rule, type) or not hasattr(rule, "delta_w"):
        raise TypeError(f"update(net, rule, state) takes a net and a rule like Adam(0.01), not {net!r} and {rule!r}")
    if type(state) is not dict and not isinstance(state, Mapping):
        raise TypeError(f"update: the state is a {type(state).__name__}; the first one is rule.start(net.w)")
    must_be_outside("update")
    weights, eta = net.weights, rule.eta if eta is None else eta
    w = weights.w
    try:
        if len(w) > 4 * PIECE and _may_be_taken_apart(rule):  # a cache would not hold them all
            return _in_pieces(weights, rule, state, eta, moments)
        delta, state = rule.delta_w(weights.gradient(), state, w=w, eta=eta, moments=moments)
    except KeyError as error:
        raise ValueError(f"update: the state has no {error}; the first one is rule.start(net.w)") from error
    weights.add(_fitting(delta, w))
    return state


def _may_be_taken_apart(rule: Rule) -> bool:
    """Whether each weight's Δw can be had by itself, and none can fail when others are written already."""
    return getattr(rule.delta_w, "by_weight", False) and not {"raise", "call"} & {*np.geterr().values()}


def _in_pieces(weights: Weights, rule: Rule, state: State, eta: Any, moments: Any) -> State:
    """The same for places in the packed weights one by one: each stays in the cache, and g and Δw are never packed."""
    w, written = weights.w, False
    each_eta = np.shape(eta) == w.shape
    split = {name for name, a in state.items() if np.shape(a) == w.shape}
    new: State = {}

    def deltas() -> Iterator[tuple[slice, Any]]:
        nonlocal written
        for place, g in weights.gradients(PIECE):
            now = {name: a[place] if name in split else a for name, a in state.items()}
            spread = None if moments is None else tuple(a[place] for a in moments)
            delta, after = rule.delta_w(g, now, w=w[place], eta=eta[place] if each_eta else eta, moments=spread)
            for name, a in after.items():
                if name in split and name not in new:
                    new[name] = np.empty(w.shape, a.dtype)
                if name in split:
                    new[name][place] = a
                else:
                    new[name] = a
            delta, written = _fitting(delta, g), True
            yield place, delta

    with Interrupts() as interrupts, interrupts.written():  # weights of which only some are written fit no state
        try:
            weights.add_pieces(deltas())
        except Exception as error:
            if not written:
                raise
            raise RuntimeError(
                "update: the rule failed when a part of the weights was written already, so that they fit no state; "
                "write them with net.assign(values), and say @by_weight only of a rule that fails for all weights alike"
            ) from error
    if interrupts.came:
        signal.raise_signal(signal.SIGINT)  # to whoever is told by default
    return new


def _fitting(delta: Any, g: np.ndarray) -> Any:
    """Δw, if it has the shape of g: another would be spread over all weights."""
    if shape_of(delta) != g.shape:
        raise ValueError(f"update: the rule gave Δw of shape {np.shape(delta)} for g of shape {g.shape}")
    return delta
