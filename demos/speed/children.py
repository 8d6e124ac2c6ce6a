"""Peers in processes of their own, so that none waits for another's threads or lives with its settings."""

import sys
from contextlib import suppress
from importlib import import_module
from multiprocessing import get_context
from pathlib import Path
from time import perf_counter

INSTALL = {
    "torch": ("PyTorch", "torch"),
    "jax": ("JAX", "jax jaxlib"),
    "autograd": ("HIPS autograd", "autograd"),
    "mygrad": ("MyGrad", "mygrad"),
    "micrograd": ("micrograd", "micrograd"),
    "sklearn": ("scikit-learn", "scikit-learn"),
}
"""Module → what it is called, and what to install."""

EXPECTED = ("NoCompilerError", "CannotCompileError")
"""Errors of this library that say what a machine lacks."""


def peak():
    """The most memory that this process has held, in bytes."""
    status = Path("/proc/self/status")
    if status.exists():  # getrusage would hand down what the parent held when it made this process
        (line,) = (line for line in status.read_text(encoding="utf-8").splitlines() if line.startswith("VmHWM"))
        return int(line.split()[1]) * 1024
    try:
        import resource
    except ImportError:  # Windows
        return 0
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * (1 if sys.platform == "darwin" else 1024)


def why_left_out(error):
    """Why a peer cannot take part, in a line, and whether that is a fault rather than something not installed."""
    missing = (getattr(error, "name", None) or "").split(".")[0]
    if isinstance(error, ImportError) and missing in INSTALL:
        name, package = INSTALL[missing]
        return f"{name} is missing; install it with: python -m pip install {package}", False
    text = " ".join(str(error).split())[:300]
    return (text, False) if type(error).__name__ in EXPECTED else (f"{type(error).__name__}: {text}", True)


def serve(pipe, module, function, arguments):
    """Such a process's life: make run, run(1), then answer each n with seconds, what run(n) said, and the peak."""
    import warnings

    warnings.simplefilter("ignore")  # those of peers are not ours to mend
    try:
        run = getattr(import_module(module), function)(*arguments)
        run(1)  # what is compiled is compiled now
    except Exception as error:
        pipe.send(why_left_out(error))
        return
    pipe.send(("", False))
    while (n := pipe.recv()) is not None:
        begin = perf_counter()
        said = run(n)
        pipe.send((perf_counter() - begin, said, peak()))


class Child:
    """A function's result, run(n), in a process of its own.

    module, function, arguments: what makes run there; run(1) is done then. why: empty, or why it cannot be had; fault:
    whether that is more than something not installed. Called with n: the seconds that run(n) took, and what it said.
    peak: bytes.
    """

    def __init__(self, module, function, *arguments):
        context = get_context("spawn")
        self.pipe, other = context.Pipe()
        self.process = context.Process(target=serve, args=(other, module, function, arguments), daemon=True)
        self.process.start()
        other.close()
        self.why, self.fault, self.peak = "", False, 0
        self.why, self.fault = self._answer(("its process ended", True))

    def _answer(self, otherwise):
        try:
            return self.pipe.recv()
        except (EOFError, OSError):
            return otherwise

    def __call__(self, n):
        """Seconds of run(n), and what it said. Raises RuntimeError where the process has ended."""
        self.pipe.send(n)
        answer = self._answer(None)
        if answer is None:
            raise RuntimeError(f"its process ended in run({n})")
        seconds, said, self.peak = answer
        return seconds, said

    def close(self):
        """End the process."""
        with suppress(OSError):  # where it has ended by itself
            self.pipe.send(None)
        self.process.join(10)
        if self.process.is_alive():  # in the middle of something, of which nobody wants to know any more
            self.process.terminate()
        self.pipe.close()
