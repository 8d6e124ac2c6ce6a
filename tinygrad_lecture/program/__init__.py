"""Record a function once, as a flat list of equations over NumPy functions, and run it many times."""
