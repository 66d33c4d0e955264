"""Run records: the key of a run, what it measured, where it came from."""
