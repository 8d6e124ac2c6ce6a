"""The engine: Tensor, the table of operations, the backward walk, recording on and off.

Read it in this order: op (what an operation is), tensor (how a node comes about), walk (how the
error flows back), primitives (the engine's own operations), recording (on or off). Leave for later:
values, tree, leaving and methods, which keep bad input, containers, conversions and ndarray methods
out of the way of the rest, and debug, which looks on.
"""
