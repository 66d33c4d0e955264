"""The same examples at every run, without a limit on the time of one."""

from hypothesis import HealthCheck, settings

steady = settings(
    deadline=None, derandomize=True, database=None, max_examples=40, suppress_health_check=[HealthCheck.too_slow]
)
