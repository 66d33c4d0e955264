"""A sweep: many runs of the benchmark, each a process of its own, planned, run side by side and resumed."""
