"""Learning: rules that turn a gradient into Δw, schedules of η, and the loop that applies them to patterns."""
