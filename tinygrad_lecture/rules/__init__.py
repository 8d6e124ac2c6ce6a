"""The calculus table: the local rules of NumPy's functions, by family.

Importing it declares them. To read it, start with `elementwise`: one line per function.
"""

from . import constants, elementwise, linear, network, reduction, selection, shape  # noqa: F401  (declares the rules)
