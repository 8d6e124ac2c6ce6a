"""A program as readable C: one function that computes a step, and one that runs many steps."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from textwrap import indent
from typing import Any

import numpy as np

from ..passes import optimised
from ..program import Equation, Program, Spec, Var
from .expressions import FLOATING, PRELUDE, TRUTH, WHOLE
from .kernels import KERNELS, is_large
from .loops import Nest, count, nest
from .lower import lowered
from .plan import TYPES, Block, NoFormError, Plan, View, contiguous, planned
from .updates import Update, may_lie_in_place, part, updates

ON_THE_STACK = 4096
"""Values of so many bytes or fewer are local arrays, which the compiler may keep in registers …"""

LONG = 2**16
"""Elements in the shortest loop that several threads share."""

STACK = 2**17
"""… as long as they are together no more than this: threads have small stacks."""


@dataclass(frozen=True, slots=True)
class Source:
    """C text, and what must be known to call it.

    text: the C; constants: the arrays that it is given behind the inputs; workspace: bytes that it needs beside;
    shared: the C types of whose `shared.c` it makes use; in_place: pairs of an input and an output that may lie in one
    place.
    """

    text: str
    constants: tuple[np.ndarray, ...]
    workspace: int
    shared: tuple[str, ...] = ()
    in_place: tuple[tuple[int, int], ...] = ()


def source(program: Program, written: Sequence[int], halt: int | None = None) -> Source:
    """The C of a program. Raises NoFormError, naming it, where an operation has none.

    written: the numbers of the outputs that it writes; halt: that of a truth value which stops a run of many steps.
    """
    plan = planned(optimised(lowered(optimised(program))))
    return Printer(plan, tuple(written)).printed(halt)


class Printer:
    """Prints a plan as C."""

    def __init__(self, plan: Plan, written: tuple[int, ...]) -> None:
        self.plan = plan
        self.written = written
        self.shared: set[str] = set()  # the C types whose gemm or share is called
        self.functions: list[str] = []  # long loops, for several threads
        self.out: list[str] = []
        self.here: set[Var] = set()  # what the loop at hand computes
        self.direct = self._direct()
        self.updates = updates(plan, {*self.direct}, lambda eq: is_large(plan, eq))
        self.in_place = {u.y: u.x for u in self.updates if may_lie_in_place(plan, u)}

    # what kernels ask for
    def spec(self, x: Var) -> Spec:
        """Shape and dtype of a value."""
        return self.plan.specs[x]

    def view(self, x: Any) -> View:
        """Where a value lies. Raises NoFormError for a plain number where an array is needed."""
        if type(x) is not Var:
            raise NoFormError(f"a plain number ({x!r}) where an array is needed")
        return self.plan.view(x)

    def types(self, args: Any) -> set[str]:
        """The dtypes of some operands."""
        return {self.spec(x).dtype.name for x in args if type(x) is Var}

    def pointer(self, base: Var) -> str:
        """The C name of the buffer of a value."""
        return repr(base)

    def update_by(self, product: Var) -> Update | None:
        """The update that a product is a part of, where shared.c makes it."""
        return next((u for u in self.updates if product in u.products), None)

    def updated(self, u: Update, product: Var, gemm: str) -> list[str]:
        """The lines that make a part of y from that of x and a product; gemm: its call, but for α, β, D and C."""
        begin, _ = u.products[product]
        x, y = (f"{v} + {begin}" for v in (u.x, u.y))
        s = "-" * u.minus + (f"{u.s}[0]" if type(u.s) is Var else self.operand(u.s, self.spec(u.y).dtype))
        return [f"/* {u.y} = {u.x} + {s} times this product, at once */", gemm.format(s, "1", x, y)]

    def line(self, text: str) -> None:
        """One more line of C."""
        if text:
            self.out.append(text)

    def lines(self, texts: list[str]) -> None:
        """More lines of C."""
        self.out += texts

    def copy(self, to: View, a: View, dtype: Any, given: Any) -> None:
        """Copy elements from view to view, in loops."""
        n = nest(to.shape, [to, a])
        self.lines(n.opening("#pragma omp simd"))
        cast = "" if dtype == given else f"({TYPES[np.dtype(dtype).name]})"
        self.line(f"{self.pointer(to.base)}[{n.at(0)}] = {cast}{self.pointer(a.base)}[{n.at(1)}];")
        self.lines(n.closing())

    # the blocks
    def block(self, block: Block) -> None:
        """One block, below a comment with its equations, and with what they are in the lecture."""
        texts = [f"{eq!r}{self._in_the_lecture(eq)}".replace("*/", "* /") for eq in block.equations]
        self.line("/* " + "\n   ".join(texts) + " */")
        if block.loop:
            self.loop(block)
            return
        (eq,) = block.equations
        kernel = KERNELS.get(eq.op.name)
        if kernel is None:
            raise NoFormError(f"{eq.op.name} of {', '.join(sorted(self.types(eq.args)))}")
        self.line("{")
        kernel(self, eq)
        self.line("}")

    def _in_the_lecture(self, eq: Equation) -> str:
        """The lecture's equation that this one is in a net's forward or backward pass, where it is one."""
        name = eq.op.name
        if name in ("dot", "matmul") and len(eq.shape) == 2:
            a, b = (x in self.plan.made and self.plan.made[x].op.name == "transpose" for x in eq.args)
            return "    [∂W = Σ_t δ_t out_tᵀ]" if a else "    [in = W out]" if b else "    [err = Wᵀ δ]"
        return {"odot": "    [δ = f'(in) ⊙ err]", "tanh": "    [out = f(in)]", "logistic": "    [out = f(in)]"}.get(
            name, ""
        )

    def loop(self, block: Block) -> None:
        """Elementwise equations of one shape: each element is read once, and what nothing else reads is not stored."""
        shape = block.shape or ()
        here = self.here = {eq.out for eq in block.equations}
        read = (v for eq in block.equations for v in eq.vars() if self.plan.views[v].base not in here)
        reads = list(dict.fromkeys(read))
        stores = [eq.out for eq in block.equations if eq.out in self.plan.stored]
        views = [self.view(v) for v in (*reads, *stores)]
        update = next((u for u in self.updates if self.plan.blocks[u.block] is block), None)
        if update is None:
            self._nest(block, nest(shape, views), reads, stores)
        for stretch in () if update is None else update.rest(shape[0]):
            length = (stretch[1] - stretch[0],)
            self._nest(block, nest(length, [part(block, v, stretch) for v in views]), reads, stores)

    def _nest(self, block: Block, n: Nest, reads: list[Var], stores: list[Var]) -> None:
        begin, self.out = self.out, []
        self.lines(n.opening("#pragma omp simd") or ["{"])
        for k, v in enumerate(reads):
            at = f"{self.pointer(self.view(v).base)}[{n.at(k)}]"
            self.line(f"const {TYPES[self.spec(v).dtype.name]} x{v.number} = {at};")
        for eq in block.equations:
            self.line(f"const {TYPES[eq.dtype.name]} x{eq.out.number} = {self.expression(eq)};")
        for k, v in enumerate(stores):
            self.line(f"{self.pointer(self.view(v).base)}[{n.at(len(reads) + k)}] = x{v.number};")
        self.lines(n.closing() or ["}"])
        made, self.out = self.out, begin
        T = TYPES[block.equations[0].dtype.name]
        if count(n.lengths) >= LONG and T in ("float", "double"):
            made = self._shared(T, made, n, reads, stores)
        self.lines(made)

    def _shared(self, T: str, loop: list[str], n: Nest, reads: list[Var], stores: list[Var]) -> list[str]:
        """The call of a loop that has become a function, of which several threads take stretches."""
        self.shared.add(T)
        name, bases = f"loop_{len(self.functions)}", {self.view(v).base: "const " for v in reads}
        bases |= {self.view(v).base: "" for v in stores}
        first = next(i for i, line in enumerate(loop) if line.startswith("for"))
        loop[first] = loop[first].replace("i0 = 0; i0 < " + str(n.lengths[0]), "i0 = begin; i0 < end")
        given = []
        for k, (base, const) in enumerate(bases.items()):
            kind = f"{const}{TYPES[self.spec(base).dtype.name]} *"
            given.append(f"{kind}{self.pointer(base)} = ({kind})at[{k}];")
        head = f"static void {name}(char *const *at, int64_t begin, int64_t end) {{"
        self.functions.append("\n".join([head, *(f"  {line}" for line in given), _indented(loop), "}", ""]))
        at = ", ".join(f"(char *){self.pointer(base)}" for base in bases)
        return [f"share_{T}({name}, (char *const[]){{{at}}}, {n.lengths[0]}, {count(n.lengths[1:])});"]

    def expression(self, eq: Equation) -> str:
        """An elementwise equation as a C expression; operands are converted as NumPy converts them."""
        name, dtype = eq.op.name, eq.dtype
        if name == "where":
            chosen, a, b = eq.args
            T = TYPES[dtype.name]
            return f"{self.operand(chosen)} ? ({T}){self.operand(a, dtype)} : ({T}){self.operand(b, dtype)}"
        if name in ("cast", "truncate"):
            x = self.operand(eq.args[0])
            return f"{x} != 0" if dtype.kind == "b" else f"({TYPES[dtype.name]}){x}"
        common = np.result_type(*[self._kind(a) for a in eq.args])
        if dtype.kind == "b":
            form = TRUTH[name]
        else:
            common, form = dtype, (FLOATING if dtype.kind == "f" else WHOLE)[name]
        if dtype.kind == "b" and name in ("bitwise_and", "bitwise_or", "bitwise_xor", "invert") and common.kind != "b":
            raise NoFormError(f"{name} of {common}")
        if common.name not in TYPES or not _holds(common, [self._kind(a) for a in eq.args], dtype):
            raise NoFormError(f"{name} of {common}")
        args = [self.operand(a, common) for a in eq.args]
        if name == "clip":
            form = self._clipped(eq)
        if name in ("pow", "power") and dtype.kind == "f":
            form = self._power(eq, form)
        f = "f" if common == np.float32 else ""
        return form.format(*args, f=f, t=TYPES[common.name])

    def operand(self, x: Any, dtype: Any = None) -> str:
        """A value within a loop, converted to a dtype; a plain number as C writes it."""
        if type(x) is Var:
            base = self.plan.views[x].base
            name = f"x{(base if base in self.here else x).number}"
            return name if dtype is None or self.spec(x).dtype == dtype else f"({TYPES[dtype.name]}){name}"
        if isinstance(x, bool | np.bool_):
            text = str(int(x))
        elif isinstance(x, int | np.integer):
            text = f"{int(x)}"
        elif isinstance(x, float | np.floating):
            text = _literal(float(np.float32(x)) if dtype == np.float32 else float(x))
        else:
            raise NoFormError(f"an operand of type {type(x).__name__}")
        return f"({TYPES[dtype.name]}){text}" if dtype is not None else text

    def _kind(self, x: Any) -> Any:
        return self.spec(x).dtype if type(x) is Var else x

    def _number(self, x: Any) -> float | None:
        x = self.plan.program.constants.get(x) if type(x) is Var else x
        return float(x) if x is not None and np.ndim(x) == 0 else None

    def _power(self, eq: Equation, form: str) -> str:
        """NumPy squares and the like in its own way; of an array's √ alone, and for **, not for np.power."""
        p = self._number(eq.args[1]) or 0.0
        root = p == 0.5 and (eq.op.name != "pow" or eq.shape == ())
        return form if root else _POWERS.get(p, form)

    def _clipped(self, eq: Equation) -> str:
        low, high = (*eq.args, None, None)[1:3]
        form = "{0}" if low is None else "larger{f}({0}, {1})"
        return form if high is None else f"smaller{{f}}({form}, {{2}})"

    # the whole
    def printed(self, halt: int | None) -> Source:
        """All of it: the prelude, a step, and a run of many."""
        program, direct = self.plan.program, self.direct
        copies = [(n, x) for n, i in enumerate(self.written) if direct.get(x := program.outputs[i]) != n]
        for block in self.plan.blocks:
            self.block(block)
        for n, x in copies:
            spec, v = self.spec(x), self.plan.view(x)
            self.line(f"/* {x} comes out */")
            over = nest(spec.shape, [View(Var(-1), 0, spec.shape, contiguous(spec.shape)), v])
            T = TYPES[spec.dtype.name]
            self.line(f"{{ {T} *restrict to = ({T} *)out[{n}];")
            self.lines(over.opening())
            self.line(f"to[{over.at(0)}] = {self.pointer(v.base)}[{over.at(1)}];")
            self.lines([*over.closing(), "}"])
        body, self.out = self.out, []
        constants = tuple(program.constants)
        for n, x in enumerate((*program.inputs, *constants)):
            T = TYPES[self.spec(x).dtype.name]
            alone = "" if x in self.in_place.values() else "restrict "
            self.line(f"const {T} *{alone}{x} = (const {T} *)in[{n}];")
        for result, n in direct.items():
            T = TYPES[self.spec(result).dtype.name]
            alone = "" if result in self.in_place else "restrict "
            self.line(f"{T} *{alone}{result} = ({T} *)out[{n}];")
        workspace = self._temporaries(direct)
        text = _TEMPLATE.format(
            prelude=PRELUDE,
            title=f"{program.name}: {len(program.equations)} equations",
            declarations=indent("\n".join(self.out), "  "),
            body=_indented(body),
            n_in=len(program.inputs) + len(constants),
            n_out=len(self.written),
            halt="" if halt is None else f"\n    if (*(uint8_t *)out[{self.written.index(halt)}]) return t;",
            shared="".join(_SHARED.replace("T", T) for T in sorted(self.shared)),
            functions="\n".join(self.functions),
        )
        arrays = tuple(np.asarray(program.constants[v], order="C") for v in constants)
        in_place = tuple((program.inputs.index(x), direct[y]) for y, x in self.in_place.items())
        return Source(text, arrays, workspace, tuple(sorted(self.shared)), in_place)

    def _direct(self) -> dict[Var, int]:
        """The values whose buffer is an output, and which."""
        program, direct = self.plan.program, dict[Var, int]()
        given = {*program.inputs, *program.constants}
        for n, i in enumerate(self.written):
            x = program.outputs[i]
            v = self.plan.view(x)
            if v.base == x and v.plain and x not in direct and x not in given:
                direct[x] = n
        return direct

    def _temporaries(self, direct: dict[Var, int]) -> int:
        """Declare what is neither input nor output; large values share a workspace, each as long as it is needed."""
        program = self.plan.program
        given = {*program.inputs, *program.constants, *direct}
        life: dict[Var, list[int]] = {}
        last = len(self.plan.blocks)
        for n, block in enumerate(self.plan.blocks):
            for eq in block.equations:
                used = [self.plan.view(v).base for v in eq.vars()]
                if eq.out in self.plan.stored:
                    used.append(self.plan.view(eq.out).base)
                for base in used:
                    life.setdefault(base, [n, n])[1] = n
        for x in program.outputs:
            if type(x) is Var and self.plan.view(x).base in life:
                life[self.plan.view(x).base][1] = last
        places: list[tuple[int, int, int, int]] = []  # begin, end, first block, last block
        total = stack = 0
        for base, (first, end) in sorted(life.items(), key=lambda item: item[1]):
            if base in given or base not in self.plan.stored:
                continue
            spec = self.spec(base)
            T, n = TYPES[spec.dtype.name], count(spec.shape)
            size = n * spec.dtype.itemsize
            if size <= ON_THE_STACK and stack + size <= STACK:
                stack += -(-size // 64) * 64
                self.line(f"{T} {base}[{max(n, 1)}] __attribute__((aligned(64)));")
                continue
            size = -(-size // 64) * 64
            begin = 0
            for b, e, since, until in sorted(places):
                if since <= end and first <= until and b < begin + size and begin < e:
                    begin = e
            places.append((begin, begin + size, first, end))
            total = max(total, begin + size)
            self.line(f"{T} *restrict {base} = ({T} *)(ws + {begin});")
        return total


_POWERS = {2.0: "{0} * {0}", 0.5: "sqrt{f}({0})", -1.0: "1 / {0}", 3.0: "{0} * {0} * {0}"}


def _holds(common: np.dtype[Any], kinds: list[Any], dtype: np.dtype[Any]) -> bool:
    """Whether whole numbers, by dtype or plain, are compared in a type that has them all, as NumPy compares them."""
    if common.kind in "iu":
        plain = [k for k in kinds if isinstance(k, int)]
        return all(np.iinfo(common).min <= k <= np.iinfo(common).max for k in plain)
    whole = all(isinstance(k, int) or getattr(k, "kind", "f") in "iu" for k in kinds)
    return not (dtype.kind == "b" and common.kind == "f" and whole)


def _literal(x: float) -> str:
    if x != x:
        return '__builtin_nan("")'
    if x in (float("inf"), float("-inf")):
        return ("-" if x < 0 else "") + "__builtin_inf()"
    return repr(x)


def _indented(lines: list[str]) -> str:
    """The lines, moved in by their brackets."""
    text, depth = [], 1
    for line in lines:
        opens, closes = line.count("{"), line.count("}")
        if line.startswith("/*"):
            text.append("")
            text += [f"  {part}" for part in line.split("\n")]
            continue
        leading = len(line) - len(line.lstrip("}"))
        text.append("  " * max(0, depth - leading) + line)
        depth += opens - closes
    return "\n".join(text)


_SHARED = """
/* C ← α A B + β D: m, n, k, α, A and its strides, B and its strides, β, D, C; and a loop from 0 until before n */
typedef void gemm_t_T(int64_t, int64_t, int64_t, T, const T *, int64_t, int64_t, const T *, int64_t, int64_t, T,
                      const T *, T *);
typedef void share_t_T(void (*)(char *const *, int64_t, int64_t), char *const *, int64_t, int64_t);
static gemm_t_T *gemm_T;
static share_t_T *share_T;
void use_shared_T(void *gemm, void *share) { gemm_T = (gemm_t_T *)gemm; share_T = (share_t_T *)share; }
"""

_TEMPLATE = """\
/* {title} */
{prelude}
#define OUT_OF_RANGE 1
{shared}{functions}
static inline int step(char *const *in, char *const *out, char *ws) {{
{declarations}
{body}
  return 0;
}}

/* Up to n steps. After each, an output is the next input: carried holds the numbers of both, and whether the output is
   written there again, in place, rather than where the input lay. The other pointers move on by the bytes in in_moves
   and out_moves. Gives the number of whole steps, or −1 − that number where
   an index was out of range. */
int64_t run(int64_t n, char **in, char **out, char *ws, const int64_t *carried, int64_t n_carried,
            const int64_t *in_moves, const int64_t *out_moves) {{
  int moving = 0;
  for (int64_t i = 0; i < {n_in}; i++) moving |= in_moves[i] != 0;
  for (int64_t t = 0; t < n; t++) {{
    if (step(in, out, ws)) return -1 - t;{halt}
    for (const int64_t *c = carried; c < carried + 3 * n_carried; c += 3) {{
      char *kept = in[c[0]]; in[c[0]] = out[c[1]]; if (!c[2]) out[c[1]] = kept;
    }}
    if (moving) for (int64_t i = 0; i < {n_in}; i++) in[i] += in_moves[i];
    for (int64_t i = 0; i < {n_out}; i++) out[i] += out_moves[i];
  }}
  return n;
}}
"""
