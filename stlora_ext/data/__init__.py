"""Prepared data sets: which exist, how they lie on disk, and the windows cut from them."""
