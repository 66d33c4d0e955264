"""One HTML page about run records, their checkpoints and their data, that opens without a network."""
