"""Backpropagation as a university lecture derives it, as an autograd engine over NumPy."""
from .engine import walk as _w
from .engine.tensor import Tensor
from .engine.recording import no_grad, enable_grad
from .engine.primitives import local_rule
from . import rules as _r
from .rules.network import *
