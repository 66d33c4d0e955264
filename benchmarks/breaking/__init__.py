"""Ways to break a run of TINY, each followed by the same command again."""
