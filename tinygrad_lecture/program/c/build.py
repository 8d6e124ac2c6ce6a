"""C text compiled once, kept on disk, and loaded; and what compiled programs share: matrix products and threads."""

from __future__ import annotations

import ctypes
import os
import shutil
import subprocess
import sys
import tempfile
from functools import cache
from hashlib import sha256
from pathlib import Path
from typing import Any

import numpy as np

FLAGS = ("-O3", "-march=native", "-fopenmp-simd", "-fno-math-errno", "-fno-trapping-math", "-fwrapv", "-std=gnu11")
"""No -ffast-math: NaN, ∞, −0 and the order of sums stay what they are, but for the sums marked `omp simd`."""

TIMEOUT = 60.0
"""Seconds after which a compilation is given up."""


class NoCompilerError(Exception):
    """There is no C compiler here, or it failed."""


@cache
def compiler() -> tuple[str, ...]:
    """The command of the C compiler: from CC, cc, gcc, clang, or the package ziglang. Raises NoCompilerError."""
    given = os.environ.get("CC", "").split()
    for command in ([given] if given else []) + [["cc"], ["gcc"], ["clang"]]:
        path = shutil.which(command[0])
        if path:
            return (path, *command[1:])
    from importlib.util import find_spec

    if find_spec("ziglang") is not None:
        return (sys.executable, "-m", "ziglang", "cc")
    raise NoCompilerError(
        'there is no C compiler: set CC, install gcc or clang, or `python -m pip install "tinygrad-lecture[native]"`'
    )


@cache
def _version() -> str | Exception:
    """What the compiler says of itself, or why it says nothing: it is asked once."""
    try:
        return subprocess.run([*compiler(), "--version"], capture_output=True, text=True, timeout=TIMEOUT / 4).stdout
    except (subprocess.TimeoutExpired, OSError) as error:
        return error


@cache
def _machine() -> str:
    """Compiler and processor: what a compiled file depends on besides its source. Raises NoCompilerError."""
    import platform

    version = _version()
    if isinstance(version, Exception):
        raise NoCompilerError(f"{' '.join(compiler())} failed: {version}") from version
    processor = ""
    info = Path("/proc/cpuinfo")
    if info.exists():
        wanted = ("model name", "flags", "Features")
        processor = "\n".join(sorted({x for x in info.read_text().splitlines() if x.startswith(wanted)}))
    return "\n".join((version, platform.platform(), platform.machine(), platform.processor(), processor))


@cache
def flags() -> tuple[str, ...]:
    """The flags that this compiler takes: with the vector versions of exp and its kind, where it can link them."""
    probe = 'extern double exp(double) __attribute__((simd("notinbranch"), const));\n'
    probe += "void f(double *x) {\n#pragma omp simd\nfor (int i = 0; i < 64; i++) x[i] = exp(x[i]); }\n"
    _machine()
    for candidate in ((*FLAGS, "-DVECTOR_MATH"), FLAGS, ("-O2", "-std=gnu11")):
        try:
            _compiled(probe, candidate)
        except NoCompilerError:
            continue
        return candidate
    raise NoCompilerError(f"{' '.join(compiler())} compiles nothing")


def folder() -> Path:
    """Where compiled files are kept: TINYGRAD_LECTURE_CACHE, or the user's cache folder."""
    given = os.environ.get("TINYGRAD_LECTURE_CACHE")
    if given:
        return Path(given)
    base = os.environ.get("XDG_CACHE_HOME") or str(Path.home() / ".cache")
    return Path(base) / "tinygrad_lecture"


def built(text: str) -> tuple[Any, float]:
    """The library of a C text, and the seconds that compiling took: 0 where it was on disk. Raises NoCompilerError."""
    from time import perf_counter

    begin = perf_counter()
    path, fresh = _compiled(text, flags())
    try:
        library = ctypes.CDLL(str(path))
    except OSError as error:
        raise NoCompilerError(f"compiled code cannot be loaded: {error}") from error
    return library, perf_counter() - begin if fresh else 0.0


def _compiled(text: str, options: tuple[str, ...]) -> tuple[Path, bool]:
    """The compiled file of a text and flags, made where it is not there: under a temporary name, then renamed.

    Its name holds a hash of what it is made from, and one of its contents: to load a damaged file would be a crash.
    """
    key = sha256("\0".join((text, *options, *compiler(), _machine())).encode()).hexdigest()[:32]
    try:
        place = folder()
        place.mkdir(parents=True, exist_ok=True)
        for path in place.glob(f"{key}-*.so"):
            if path.stem == f"{key}-{_contents(path)}":
                return path, False
            path.unlink(missing_ok=True)
        handle, name = tempfile.mkstemp(suffix=".tmp", prefix=key, dir=place)
    except OSError as error:
        raise NoCompilerError(
            f"compiled code cannot be kept in {folder()} ({error}); set TINYGRAD_LECTURE_CACHE to a folder of yours"
        ) from error
    os.close(handle)
    try:
        source = Path(name).with_suffix(".c")
        source.write_text(text, encoding="utf-8")
        command = [*compiler(), *options, "-shared", "-fPIC", str(source), "-o", name, "-lm", "-pthread"]
        done = subprocess.run(command, capture_output=True, text=True, timeout=TIMEOUT)
        if done.returncode:
            raise NoCompilerError(f"{' '.join(compiler())} failed: {done.stderr.strip()[:2000]}")
        path = place / f"{key}-{_contents(Path(name))}.so"
        Path(name).replace(path)
    except (subprocess.TimeoutExpired, OSError) as error:
        raise NoCompilerError(f"{' '.join(compiler())} failed: {error}") from error
    finally:
        Path(name).unlink(missing_ok=True)
        Path(name).with_suffix(".c").unlink(missing_ok=True)
    return path, True


def _contents(path: Path) -> str:
    """A hash of what is in a file."""
    return sha256(path.read_bytes()).hexdigest()[:32]


_SHARED: dict[str, tuple[int, int]] = {}


def shared(T: str) -> tuple[tuple[int, int], float]:
    """The addresses of `gemm` and `share` in `shared.c` for a C type, and the seconds that compiling took, if it did.

    Raises NoCompilerError.
    """
    seconds = 0.0
    if T not in _SHARED:
        text = f"#define T {T}\n" + Path(__file__).with_name("shared.c").read_text(encoding="utf-8")
        library, seconds = built(text)
        library.use_threads(threads())
        gemm, share = (ctypes.cast(f, ctypes.c_void_p).value or 0 for f in (library.gemm, library.share))
        _SHARED[T] = gemm, share
    return _SHARED[T], seconds


def threads() -> int:
    """As many as NumPy's BLAS takes: what OPENBLAS_NUM_THREADS or OMP_NUM_THREADS says, else a thread a processor."""
    for name in ("OPENBLAS_NUM_THREADS", "OMP_NUM_THREADS"):
        given = os.environ.get(name, "")
        if given.isdecimal() and int(given) > 0:
            return int(given)
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def empty(size: int) -> np.ndarray:
    """Memory of so many bytes, beginning at a multiple of 64."""
    memory = np.empty(size + 64, np.uint8)
    start = -memory.ctypes.data % 64
    return memory[start : start + size]
