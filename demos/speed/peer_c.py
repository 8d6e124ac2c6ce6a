"""Backpropagation written by hand in C, with large products by NumPy's OpenBLAS: the native limit."""

import ctypes
import subprocess
import sys
from itertools import pairwise
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np

from tinygrad_lecture.program.c.build import NoCompilerError, compiler

FLAGS = ("-O2", "-funroll-loops", "-march=native", "-ffast-math", "-std=gnu11", "-fPIC")
"""Measured as the quickest: gcc's -O3 makes small nets 20 % slower, and large ones no faster."""
LARGE = 100_000
"""Multiplications in the largest product of a net from which on BLAS is faster than loops."""


def blas():
    """Addresses of dgemm and sgemm (with 64-bit integers) in the OpenBLAS that NumPy has loaded; None without one.

    NumPy's own extension module was linked with it, so the loader finds it by that module: no path is guessed.
    """
    module = sys.modules.get("numpy._core._multiarray_umath")
    if module is None or not getattr(module, "__file__", None):
        return None
    library = ctypes.CDLL(module.__file__)
    for pattern in ("scipy_cblas_{}64_", "cblas_{}64_"):
        try:
            return [ctypes.cast(library[pattern.format(name)], ctypes.c_void_p).value for name in ("dgemm", "sgemm")]
        except AttributeError:
            continue
    return None


def constants(workload):
    """The net as definitions for by_hand.c."""
    T, sizes = workload.batch, workload.sizes
    single = workload.dtype == "float32"
    forward, backward, w, out = [], [], 0, 0
    for k, (n, m) in enumerate(pairwise(sizes)):
        above, up = out + T * n, len(sizes) - 2 - k  # how far below the top; errors lie in two buffers by turns
        forward.append(f"forward({n}, {m}, {int(up > 0)}, w + {w}, outs + {out}, outs + {above});")
        here, there = f"errors[{up % 2}]", f"errors[{(up + 1) % 2}]"
        backward.insert(0, f"backward({n}, {m}, {int(k == 0)}, w + {w}, outs + {out}, {here}, {there});")
        w, out = w + (n + 1) * m, above
    return {
        "REAL": "float" if single else "double",
        "TANH": "tanhf" if single else "tanh",
        "T": T,
        "ETA": workload.eta,
        "N_WEIGHTS": w,
        "N_OUTS": T * sum(sizes),
        "N_LAST": sizes[-1],
        "WIDEST": max(sizes),
        "USE_BLAS": int(T * max(n * m for n, m in pairwise(sizes)) > LARGE),
        "FORWARD": " ".join(forward),
        "BACKWARD": " ".join(backward),
    }


def compiled(definitions):
    """by_hand.c with these definitions as a loaded library. Raises NoCompilerError where there is no C compiler."""
    text = "".join(f"#define {name} {value}\n" for name, value in definitions.items())
    text += Path(__file__).with_name("by_hand.c").read_text(encoding="utf-8")
    with TemporaryDirectory() as folder:
        source, binary, library = (Path(folder, f"by_hand.{end}") for end in ("c", "o", "so"))
        source.write_text(text, encoding="utf-8")
        # linked without -ffast-math, which would round subnormal numbers to 0 in the whole process from then on
        for command in (
            [*FLAGS, "-c", str(source), "-o", str(binary)],
            ["-shared", str(binary), "-o", str(library), "-lm"],
        ):
            done = subprocess.run([*compiler(), *command], capture_output=True, text=True, check=False)
            if done.returncode:
                raise NoCompilerError(f"{compiler()[0]} failed: {done.stderr.strip()[:500]}")
        return ctypes.CDLL(str(library))


def steps(workload):
    """Many steps a call, all of them in C."""
    definitions = constants(workload)
    addresses = blas()
    if definitions["USE_BLAS"] and addresses is None:
        raise NoCompilerError("NumPy's OpenBLAS was not found")
    library = compiled(definitions)
    weights, x, target = workload.data()
    packed = np.concatenate([a.ravel() for W, b in weights for a in (W.T, b)])
    for name, values in (("weights", packed), ("inputs", x), ("targets", target)):
        function = getattr(library, name)
        function.restype = ctypes.c_void_p
        ctypes.memmove(function(), np.ascontiguousarray(values).ctypes.data, values.nbytes)
    if addresses is not None:
        library.use(ctypes.c_void_p(addresses[workload.dtype == "float32"]))
    library.run.argtypes, library.run.restype = [ctypes.c_int64], ctypes.c_double
    return library.run
