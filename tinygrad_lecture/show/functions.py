"""Activations and losses as formulas: f, f' and the error at the outputs, each as text, LaTeX and NumPy code.

The code is written here anew and shares nothing with the engine, so that what it computes is a check of it.
"""

from __future__ import annotations

from dataclasses import dataclass

from .terms import Term, phrase


@dataclass(frozen=True, slots=True)
class Function:
    """An activation f as a formula.

    text, latex: what it is called, "" for the identity, whose f and f' need not be written; code, slope: f and f' of
    the net input $z in NumPy; says, latex_says: what f and f' are, in words of mathematics.
    """

    text: str
    latex: str
    code: str
    slope: str
    says: str = ""
    latex_says: str = ""

    def of(self, z: Term) -> Term:
        """f(z)."""
        if not self.text:
            return z
        return phrase(f"{self.text}($z)", rf"{self.latex}\left($z\right)", self.code, z=z)

    def backward(self, z: Term, err: Term) -> Term:
        """f'(z) ⊙ err."""
        if not self.text:
            return err
        return phrase(
            f"{self.text}'($z) ⊙ $err",
            rf"{self.latex}'\left($z\right) \odot $err",
            f"{self.slope} * $err",
            z=z,
            err=err,
        )


GELU = "1.5957691216057308 * ($z + 0.044715 * $z**3)"  # 2 √(2/π) (z + 0.044715 z³)

ACTIVATIONS: dict[str, Function] = {
    "identity": Function("", "", "$z", "1"),
    "tanh": Function(
        "tanh", r"\tanh", "np.tanh($z)", "(1 / np.cosh($z)**2)", "tanh'(z) = 1 − tanh²(z)", r"\tanh'(z) = 1 - \tanh^2 z"
    ),
    "logistic": Function(
        "σ",
        r"\sigma",
        "1 / (1 + np.exp(-$z))",
        "(1 / (2 * np.cosh($z / 2))**2)",  # σ (1 − σ) would lose its digits where σ is close to 1
        "σ(z) = 1/(1 + exp(−z)), σ'(z) = σ(z) (1 − σ(z))",
        r"\sigma(z) = \tfrac{1}{1 + e^{-z}},\quad \sigma'(z) = \sigma(z)\,(1 - \sigma(z))",
    ),
    "relu": Function(
        "relu",
        r"\mathrm{relu}",
        "np.where($z > 0, $z, 0)",
        "($z > 0)",
        "relu(z) = max(z, 0), relu'(z) = 1 where z > 0, else 0",
        r"\mathrm{relu}(z) = \max(z, 0),\quad \mathrm{relu}'(z) = 1 \text{ where } z > 0 \text{, else } 0",
    ),
    "softplus": Function(
        "softplus",
        r"\mathrm{softplus}",
        "np.logaddexp(0, $z)",
        "(1 / (1 + np.exp(-$z)))",
        "softplus(z) = log(1 + exp(z)), softplus'(z) = 1/(1 + exp(−z))",
        r"\mathrm{softplus}(z) = \log(1 + e^z),\quad \mathrm{softplus}'(z) = \tfrac{1}{1 + e^{-z}}",
    ),
    "leaky_relu": Function(
        "leaky_relu",
        r"\mathrm{leaky\_relu}",
        "np.where($z > 0, $z, 0.01 * $z)",
        "np.where($z > 0, 1, 0.01)",
        "leaky_relu(z) = z where z > 0, else 0.01 z; leaky_relu'(z) = 1 where z > 0, else 0.01",
        r"\mathrm{leaky\_relu}(z) = \max(z, 0.01\,z),\quad "
        r"\mathrm{leaky\_relu}'(z) = 1 \text{ where } z > 0 \text{, else } 0.01",
    ),
    "gelu": Function(
        "gelu",
        r"\mathrm{gelu}",
        f"$z / (1 + np.exp(-{GELU}))",
        f"(1 / (1 + np.exp(-{GELU})) + $z / (2 * np.cosh({GELU} / 2))**2"
        " * 1.5957691216057308 * (1 + 0.134145 * $z**2))",
        "gelu(z) = z σ(u), gelu'(z) = σ(u) + z σ'(u) u', u = 2 √(2/π) (z + 0.044715 z³), σ(u) = 1/(1 + exp(−u))",
        r"\mathrm{gelu}(z) = z\,\sigma(u),\quad \mathrm{gelu}'(z) = \sigma(u) + z\,\sigma'(u)\,u',\quad "
        r"u = 2\sqrt{2/\pi}\,(z + 0.044715\,z^3),\quad \sigma(u) = \tfrac{1}{1 + e^{-u}}",
    ),
    "sin": Function("sin", r"\sin", "np.sin($z)", "np.cos($z)", "sin'(z) = cos(z)", r"\sin'(z) = \cos z"),
    "gauss": Function(
        "gauss",
        r"\mathrm{gauss}",
        "np.exp(-$z**2)",
        "(-2 * $z * np.exp(-$z**2))",
        "gauss(z) = exp(−z²), gauss'(z) = −2 z exp(−z²)",
        r"\mathrm{gauss}(z) = e^{-z^2},\quad \mathrm{gauss}'(z) = -2\,z\,e^{-z^2}",
    ),
}
"""Name → activation. Source: C1, C16."""


@dataclass(frozen=True, slots=True)
class Loss:
    """A loss as formulas in the output $o, the target $t and, where it needs it, the number $K of outputs.

    error: its part of E_t as text, LaTeX and NumPy code, the last summed over the patterns; derivative: ∂E_t/∂out
    likewise; says, latex_says: what a function in it is; classes: whether targets may be class numbers.
    """

    error: tuple[str, str, str]
    derivative: tuple[str, str, str]
    says: str = ""
    latex_says: str = ""
    classes: bool = False


DIFFERENCE = ("$o − $t", "$o - $t", "$o - $t")
NORM = r"\left\| $o - $t \right\|"

LOSSES: dict[str, Loss] = {
    "squared_error": Loss(("½ ‖$o − $t‖²", rf"\tfrac12 {NORM}^2", "np.sum(($o - $t)**2) / 2"), DIFFERENCE),
    "mean_squared": Loss(
        ("1/$K ‖$o − $t‖²", rf"\tfrac{{1}}{{$K}} {NORM}^2", "np.sum(($o - $t)**2) / $K"),
        ("2/$K ($o − $t)", r"\tfrac{2}{$K} \left($o - $t\right)", "2 / $K * ($o - $t)"),
    ),
    "absolute": Loss(
        ("Σ |$o − $t|", r"\sum \left| $o - $t \right|", "np.sum(np.abs($o - $t))"),
        ("sign($o − $t)", r"\mathrm{sign}\left($o - $t\right)", "np.sign($o - $t)"),
    ),
    "log_cosh": Loss(
        (
            "Σ log cosh($o − $t)",
            r"\sum \log\cosh\left($o - $t\right)",
            "np.sum(np.logaddexp($o - $t, $t - $o) - np.log(2))",
        ),
        ("tanh($o − $t)", r"\tanh\left($o - $t\right)", "np.tanh($o - $t)"),
    ),
    "cross_entropy": Loss(
        (
            "(−Σ $t ⊙ log softmax($o))",
            r"\left(-\sum $t \odot \log \mathrm{softmax}\left($o\right)\right)",
            "np.sum($t * (np.logaddexp.reduce($o, axis=1, keepdims=True) - $o))",
        ),
        (
            "softmax($o) (Σ $t) − $t",
            r"\mathrm{softmax}\left($o\right) \left(\sum $t\right) - $t",
            "np.exp($o - np.logaddexp.reduce($o, axis=1, keepdims=True)) * np.sum($t, axis=1, keepdims=True) - $t",
        ),
        "softmax(z)_k = exp(z_k) / Σ_i exp(z_i)",
        r"\mathrm{softmax}(z)_k = \tfrac{e^{z_k}}{\sum_i e^{z_i}}",
        classes=True,
    ),
    "binary_cross_entropy": Loss(
        (
            "Σ (log(1 + exp($o)) − $t ⊙ $o)",
            r"\sum \left(\log\left(1 + e^{$o}\right) - $t \odot $o\right)",
            "np.sum(np.logaddexp(0, $o) - $t * $o)",
        ),
        (
            "1/(1 + exp(−$o)) − $t",
            r"\frac{1}{1 + e^{-$o}} - $t",
            "1 / (1 + np.exp(-$o)) - $t",
        ),
    ),
}
"""Name → loss. Source: C1, C16."""


def activation_of(name: str) -> Function:
    """The activation of a name as a formula. Raises ValueError, naming those that have one, for any other."""
    if name not in ACTIVATIONS:
        raise ValueError(f"there is no formula for the activation {name!r}; there are {', '.join(ACTIVATIONS)}")
    return ACTIVATIONS[name]


def loss_of(name: str) -> Loss:
    """The loss of a name as formulas. Raises ValueError, naming those that have one, for any other."""
    if name not in LOSSES:
        raise ValueError(f"there is no formula for the loss {name!r}; choose one of {', '.join(LOSSES)}")
    return LOSSES[name]
