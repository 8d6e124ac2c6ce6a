"""Checks that stand apart from what they check: the δ formulas derived by hand, differences, oracles."""
