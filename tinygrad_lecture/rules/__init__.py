"""The calculus table: the local rules of NumPy's functions, by family.

Importing it declares them. To read it, start with `elementwise`: one line per function.
"""

from . import (  # noqa: F401  (declares the rules)
    answers,
    constants,
    contractions,
    cumulative,
    diagonals,
    differences,
    einsum,
    elementwise,
    exponential,
    joining,
    methods,
    moments,
    network,
    norms,
    order,
    padding,
    pieces,
    products,
    reduction,
    selection,
    shape,
    special,
    systems,
    trigonometric,
)
