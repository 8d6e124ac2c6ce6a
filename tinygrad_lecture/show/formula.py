"""A local rule as its author wrote it: the text of a lambda, or what a function says of itself."""

from __future__ import annotations

import ast
import copy
from collections.abc import Callable, Sequence
from functools import cache
from inspect import unwrap
from types import CodeType
from typing import Any

from ..engine.op import Op


def formula(op: Op, k: int, out: str, inputs: Sequence[str]) -> str:
    """The slope or rule of an operation for its input k as text, like "err ⊙ sech2(v3)"; "" where there is none.

    out, inputs: what to call the operation's output and inputs in it.
    """
    if op.slopes is not None:
        slope = op.slopes[k]
        if callable(slope):
            return f"err ⊙ {_factor(text_of(slope, [out, *inputs]))}"
        return "" if slope is None else {1.0: "err", -1.0: "-err"}.get(slope, f"{slope} err")
    if op.each is not None:
        return text_of(op.each, [str(k), "err", out, *inputs])
    rule = (op.rules or ())[k]
    return text_of(rule, ["err", out, *inputs]) if callable(rule) else ""


def text_of(fn: Callable[..., Any], arguments: Sequence[str] = ()) -> str:
    """The body of a lambda with its arguments called so; of any other function its own first clause, or its name."""
    fn = unwrap(fn)
    code: CodeType | None = getattr(fn, "__code__", None)
    if code is None:
        return getattr(fn, "__name__", repr(fn))
    if code.co_name != "<lambda>":
        said = (fn.__doc__ or "").split("\n\n")[0].replace("\n", " ")
        return said.split(";")[0].split(". ")[0].rstrip(".") or fn.__name__
    found = _lambda(code)
    if found is None:
        return "a lambda"
    names = dict(zip([a.arg for a in found.args.args], arguments, strict=False))
    return ast.unparse(_Renamed(names).visit(copy.deepcopy(found.body)))


class _Renamed(ast.NodeTransformer):
    """An expression with other names in it."""

    def __init__(self, names: dict[str, str]) -> None:
        self.names = names

    def visit_Name(self, node: ast.Name) -> ast.Name:
        return ast.Name(self.names.get(node.id, node.id), node.ctx)


def _factor(text: str) -> str:
    """A text as one factor of a product: in brackets where it is a sum."""
    try:
        body = ast.parse(text, mode="eval").body
    except SyntaxError:
        return f"({text})"
    return f"({text})" if isinstance(body, ast.BinOp | ast.Compare | ast.BoolOp | ast.IfExp) else text


def _lambda(code: CodeType) -> ast.Lambda | None:
    """A lambda as its file has it, found by where its instructions stand."""
    spots = [(line, column) for line, _, column, _ in code.co_positions() if line is not None and column]
    if not spots:
        return None
    around = [n for n in _lambdas(code.co_filename) if _start(n.body) <= max(spots) < _end(n.body)]
    return max(around, key=lambda n: _start(n.body), default=None)


def _start(node: ast.expr) -> tuple[int, int]:
    return node.lineno, node.col_offset


def _end(node: ast.expr) -> tuple[int, int]:
    return node.end_lineno or node.lineno, node.end_col_offset or node.col_offset


@cache
def _lambdas(filename: str) -> list[ast.Lambda]:
    import linecache

    try:
        tree = ast.parse("".join(linecache.getlines(filename)))
    except SyntaxError:
        return []
    return [node for node in ast.walk(tree) if isinstance(node, ast.Lambda)]
