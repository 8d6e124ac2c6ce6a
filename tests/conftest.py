"""Hypothesis profiles: the default on each run, `nightly` with twenty times the examples."""

from hypothesis import settings

settings.register_profile("default", deadline=None)
settings.register_profile("nightly", deadline=None, max_examples=2000)
settings.load_profile("default")
