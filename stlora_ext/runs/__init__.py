"""The life of one run: its key, its record, building, training, finding it again, verifying it."""
