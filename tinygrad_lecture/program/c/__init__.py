"""A Program as C: lowered to few operations, laid out in memory, printed, compiled once, loaded, called."""
