"""The mutants of a source: the same text with one small thing wrong, in functions, lambdas and tables alike.

Each is a piece of the source, found by its syntax tree, and what stands there instead: all else, lines included, stays.
Left alone are docstrings, annotations, type variables, texts (so messages of errors, which tests hold to their words),
decorators, and the strict= of zip: an assertion.
"""

from __future__ import annotations

import ast
import copy
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass


@dataclass(frozen=True)
class Mutant:
    """A source with one thing wrong; the name says where and what, without the line, which other changes move.

    function: the first line of the innermost function or lambda that it stands in, 0 for the module.
    """

    line: int
    name: str
    source: str
    function: int


def mutants(source: str) -> list[Mutant]:
    """All of them, in the order of the source."""
    raw = source.encode()  # the tree counts bytes
    starts = [0]
    for line in raw.splitlines(keepends=True):
        starts.append(starts[-1] + len(line))
    seen: Counter[str] = Counter()
    found: dict[str, Mutant] = {}
    tree = ast.parse(source)
    functions = [f for f in ast.walk(tree) if isinstance(f, ast.FunctionDef | ast.Lambda)]
    for node, text, where in _changes(tree, "module", ()):
        if text == ast.unparse(node):  # two arguments that are the same have changed places
            continue
        begin = starts[node.lineno - 1] + node.col_offset
        end = starts[(node.end_lineno or node.lineno) - 1] + (node.end_col_offset or 0)
        old = raw[begin:end].decode()
        lines = "\n" * old.count("\n")  # what follows keeps its number
        new = f"({text}{lines})" if isinstance(node, ast.expr) else text + lines
        mutated = (raw[:begin] + new.encode() + raw[end:]).decode()
        if mutated not in found:
            name = f"{where}: {' '.join(old.split())} → {text}"
            seen[name] += 1
            name = f"{name} #{seen[name]}" if seen[name] > 1 else name
            found[mutated] = Mutant(node.lineno, name, mutated, _function(functions, node))
    return list(found.values())


def _function(functions: list[ast.FunctionDef | ast.Lambda], node: ast.stmt | ast.expr) -> int:
    """The line at which Python says that the function around a node begins: that of its first decorator."""
    at = (node.lineno, node.col_offset)
    around = [
        f for f in functions if f is not node and (f.lineno, f.col_offset) <= at < (f.end_lineno, f.end_col_offset)
    ]
    if not around:
        return 0
    last = max(around, key=lambda f: (f.lineno, f.col_offset))
    return min([last.lineno, *(d.lineno for d in getattr(last, "decorator_list", []))])


Change = tuple[ast.stmt | ast.expr, str, str]
Scope = tuple[str, ...]  # the parameters of the innermost function


def _changes(node: ast.AST, where: str, names: Scope) -> Iterator[Change]:
    """Each piece that can be changed, the text that replaces it, and where it stands."""
    if isinstance(node, ast.JoinedStr) or (isinstance(node, ast.If) and ast.unparse(node.test) == "TYPE_CHECKING"):
        return
    if isinstance(node, ast.FunctionDef | ast.ClassDef):
        where = node.name if where == "module" else f"{where}.{node.name}"
    elif isinstance(node, ast.Expr) and isinstance(node.value, ast.Call) and node.value.args:
        where = f"{ast.unparse(node.value.func)}({ast.unparse(node.value.args[0])})"  # an entry of a table
    elif isinstance(node, ast.Lambda):
        where = f"{where} λ"
    if isinstance(node, ast.FunctionDef | ast.Lambda):
        a = node.args
        names = tuple(p.arg for p in (*a.posonlyargs, *a.args, *a.kwonlyargs) if p.arg not in ("self", "cls"))
    if isinstance(node, ast.expr):
        yield from ((node, ast.unparse(new), where) for new in _other_expressions(node))
    elif isinstance(node, ast.stmt):
        yield from ((node, text, where) for text in _other_statements(node))
    if isinstance(node, ast.If | ast.While) and not isinstance(node.test, ast.Compare | ast.UnaryOp | ast.BoolOp):
        yield node.test, f"not {ast.unparse(node.test)}", where
    handed_back = node.body if isinstance(node, ast.Lambda) else node.value if isinstance(node, ast.Return) else None
    if handed_back is not None:
        yield from ((handed_back, n, where) for n in names[-1:] if n != ast.unparse(handed_back))
    if isinstance(node, ast.Raise):
        return
    for child in _inside(node):
        if not _is_strict(child):
            yield from _changes(child, where, names)


def _inside(node: ast.AST) -> Iterator[ast.AST]:
    """The children of a node that mean something when it runs."""
    for field, value in ast.iter_fields(node):
        if field in ("annotation", "returns", "decorator_list"):
            continue
        if isinstance(node, ast.Call) and field == "args" and ast.unparse(node.func) in ("isinstance", "cast"):
            value = node.args[:1]  # the other is a type
        if isinstance(node, ast.Assign) and field == "value" and _is_type(value):
            continue
        yield from (v for v in (value if isinstance(value, list) else [value]) if isinstance(v, ast.AST))


def _is_strict(node: ast.AST) -> bool:
    return isinstance(node, ast.keyword) and node.arg == "strict"


def _is_type(value: ast.expr) -> bool:
    """Whether it is an alias for a type, `Rule = Callable[..., Any] | None`, or a variable."""
    text = ast.unparse(value)
    return (
        isinstance(value, ast.BinOp | ast.Subscript) and any(t in text for t in ("Callable", "Any", "dict[", "tuple["))
    ) or text.startswith("TypeVar(")


OPERATORS: dict[type[ast.operator], type[ast.operator]] = {
    ast.Add: ast.Sub, ast.Sub: ast.Add, ast.Mult: ast.Div, ast.Div: ast.Mult, ast.FloorDiv: ast.Mult,
    ast.Mod: ast.FloorDiv, ast.Pow: ast.Mult, ast.BitAnd: ast.BitOr, ast.BitOr: ast.BitAnd,
}  # fmt: skip
COMPARISONS: dict[type[ast.cmpop], tuple[type[ast.cmpop], ...]] = {
    ast.Lt: (ast.LtE, ast.Gt), ast.LtE: (ast.Lt, ast.GtE), ast.Gt: (ast.GtE, ast.Lt), ast.GtE: (ast.Gt, ast.LtE),
    ast.Eq: (ast.NotEq,), ast.NotEq: (ast.Eq,), ast.Is: (ast.IsNot,), ast.IsNot: (ast.Is,),
    ast.In: (ast.NotIn,), ast.NotIn: (ast.In,),
}  # fmt: skip


def _with(node: ast.expr, **fields: object) -> ast.expr:
    new = copy.copy(node)
    for name, value in fields.items():
        setattr(new, name, value)
    return new


def _other_expressions(node: ast.expr) -> Iterator[ast.expr]:
    if isinstance(node, ast.Constant):
        yield from (ast.Constant(v) for v in _other_constants(node.value))
    elif isinstance(node, ast.BinOp):
        if type(node.op) in OPERATORS:
            yield _with(node, op=OPERATORS[type(node.op)]())
        if isinstance(node.op, ast.MatMult | ast.Sub | ast.Div):
            yield _with(node, left=node.right, right=node.left)
        yield from (node.left, node.right)  # a term is dropped
    elif isinstance(node, ast.UnaryOp):
        yield node.operand
    elif isinstance(node, ast.BoolOp):
        yield _with(node, op=ast.Or() if isinstance(node.op, ast.And) else ast.And())
        for k in range(len(node.values)):
            rest = node.values[:k] + node.values[k + 1 :]
            yield rest[0] if len(rest) == 1 else _with(node, values=rest)
    elif isinstance(node, ast.Compare):
        for k, op in enumerate(node.ops):
            yield from (_with(node, ops=[*node.ops[:k], o(), *node.ops[k + 1 :]]) for o in COMPARISONS[type(op)])
    elif isinstance(node, ast.IfExp):
        yield _with(node, body=node.orelse, orelse=node.body)
    elif isinstance(node, ast.Call):
        swapped = node.args[:-2] + node.args[:-3:-1]  # the last two of them: of np.where, what it chooses from
        if 2 <= len(node.args) <= 3 and not any(isinstance(a, ast.Starred) for a in node.args):
            yield _with(node, args=swapped)
        for k in range(len(node.keywords)):
            if _is_strict(node.keywords[k]):
                continue
            yield _with(node, keywords=node.keywords[:k] + node.keywords[k + 1 :])


def _other_constants(value: object) -> Iterator[object]:
    if isinstance(value, bool):
        yield not value
    elif isinstance(value, int):
        yield value + 1
        if value:
            yield -value
    elif isinstance(value, float):
        yield value * 1.002 if value else 0.001  # 0.5 becomes 0.501
        if value:
            yield -value


def _other_statements(node: ast.stmt) -> Iterator[str]:
    if isinstance(node, ast.AugAssign) and type(node.op) in OPERATORS:
        new = copy.copy(node)
        new.op = OPERATORS[type(node.op)]()
        yield ast.unparse(new)
    to_a_place = isinstance(node, ast.Assign) and any(
        isinstance(t, ast.Attribute | ast.Subscript) for t in node.targets
    )
    a_text = isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant | ast.Yield | ast.YieldFrom)
    removable = isinstance(node, ast.AugAssign | ast.Continue | ast.Break | ast.Delete | ast.Expr | ast.Raise)
    if to_a_place or (removable and not a_text):
        yield "pass"
    elif isinstance(node, ast.If) and isinstance(node.body[-1], ast.Return) and not node.orelse:
        yield "pass"  # with what it returns early
