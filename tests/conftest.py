"""Hypothesis profiles: the default on each run, `nightly` with twenty times the examples."""

import os
import signal
from pathlib import Path

from hypothesis import settings

# before NumPy is imported: as many test workers as cores, each with as many BLAS threads, would wait for each other
os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")

# compiled code of the tests is kept apart from that of the user
os.environ.setdefault("TINYGRAD_LECTURE_CACHE", str(Path(__file__).parents[1] / ".pytest_cache" / "compiled"))

# a shell's background jobs ignore Ctrl-C, and so would they and what they start: not while tests send it
if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
    signal.signal(signal.SIGINT, signal.default_int_handler)

# in continuous integration the same examples for the same code, elsewhere new ones on each run
settings.register_profile("default", deadline=None, derandomize=bool(os.environ.get("CI")))
settings.register_profile("nightly", deadline=None, max_examples=2000, derandomize=False)  # there too, new ones
settings.load_profile("default")
