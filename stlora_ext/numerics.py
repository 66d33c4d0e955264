"""The version of the arithmetic: what a seed gives.

``NUMERICS`` is raised by every change after which the same seed on the same machine gives other scores or weights:
other draws, another order of sums, another precision. It is in every record and not in its key; records of before
count as 0, the published ones as CHANGELOG.md says. A finished run of another number stays finished, and run.py says
so.
"""

NUMERICS = 9
