"""Strategies for hypothesis: what to try gradients on, in a user's own property tests too.

    from hypothesis import given
    from tinygrad_lecture.verify import strategies

    @given(strategies.values(strategies.broadcastable(2)))
    def test_my_distance(arrays):  # no kink of max, abs or maximum is near
        tl.gradcheck(my_distance, *arrays)

    @given(strategies.expressions())
    def test_my_transform(f):  # f(a, b, …) is NumPy code of some steps
        agree(my_transform(f)(*f.arguments), tl.value_and_grad(lambda *xs: np.sum(f(*xs)))(*f.arguments))

    @given(strategies.problems())
    def test_my_loss(p):  # p.net is any network
        tl.gradcheck(lambda w: my_loss(p.net(p.inputs, w), p.targets), p.parameters)

A draw that fails is made smaller by hypothesis, and printed: an expression as NumPy code with its arguments.

- `shapes`, `broadcastable`: shapes of arrays, and several that broadcast with each other
- `values`: arrays whose numbers keep away from kinks
- `expressions`: a function as a random graph over the table of operations
- `networks`, `problems`: networks of any topology, and one with weights, inputs and targets
"""

try:
    import hypothesis as hypothesis
except ImportError as missing:
    raise ImportError(
        "verify.strategies needs hypothesis, which is missing; install it with: python -m pip install hypothesis"
    ) from missing

from .arrays import broadcastable, shapes, values
from .expression import Expression, expressions
from .topologies import Problem, networks, problems

__all__ = ["Expression", "Problem", "broadcastable", "expressions", "networks", "problems", "shapes", "values"]
