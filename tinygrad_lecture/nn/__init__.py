"""Networks: activations by name, initial weights, and the layered net of the lecture."""
