"""The lecture, executed: each statement C1 … C16 as a measurement with a bar. `statement` lists them."""
