"""The engine: Tensor, the table of operations, the backward walk, recording on and off.

Read it in this order: recording (on or off), op (what an operation is), tensor (how a node comes
about), primitives (the engine's own operations), walk (how the error flows back).
"""
