"""The chain rule made visible: the flow of error as data and as a table."""
