"""How many examples a property is tried on, where it has a number of its own."""

from __future__ import annotations

from hypothesis import settings


def tries(n: int) -> int:
    """n on each run, and as many times more as the profile says: twenty times in the nightly one."""
    return max(1, n * settings().max_examples // 100)
