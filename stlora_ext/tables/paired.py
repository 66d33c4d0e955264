"""Whether a paired difference is more than chance: t-test, its confidence interval, Wilcoxon, Holm's correction."""

import math
from collections.abc import Sequence
from dataclasses import dataclass

from scipy.special import stdtr, stdtrit  # SciPy's stats take longer to import than a table takes to make

CONFIDENCE = 0.95
WILCOXON_FROM = 6  # pairs; with fewer its smallest two-sided p-value is above 0.05
_ROUNDING = 1e-12  # differences that vary by less than this share of their size are equal


@dataclass(frozen=True)
class PairedTest:
    """The test of one set of paired differences.

    Attributes:
        count: Pairs.
        mean: Mean difference; None without pairs.
        low: Lower end of the 95 % confidence interval of the mean difference; None with one pair.
        high: Its upper end.
        p: Two-sided p-value of the paired t-test; None with one pair, and where all differences are equal and not 0.
        wilcoxon: Two-sided p-value of Wilcoxon's signed rank test; None with fewer than six pairs.
    """

    count: int
    mean: float | None = None
    low: float | None = None
    high: float | None = None
    p: float | None = None
    wilcoxon: float | None = None


def paired_test(differences: Sequence[float]) -> PairedTest:
    """Test whether the mean of ``differences``, one per pair, is 0."""
    count = len(differences)
    if count < 2:
        return PairedTest(count, differences[0] if count else None)
    mean = math.fsum(differences) / count
    if max(differences) - min(differences) <= _ROUNDING * max(map(abs, differences)):
        # No spread to compare the mean with: t is 0 / 0 or infinite.
        return PairedTest(count, mean, mean, mean, 1.0 if mean == 0 else None, _wilcoxon(differences))
    error = math.sqrt(math.fsum((difference - mean) ** 2 for difference in differences) / (count - 1) / count)
    reach = float(stdtrit(count - 1, (1 + CONFIDENCE) / 2)) * error
    p = 2 * float(stdtr(count - 1, -abs(mean) / error))
    return PairedTest(count, mean, mean - reach, mean + reach, p, _wilcoxon(differences))


def _wilcoxon(differences: Sequence[float]) -> float | None:
    if len(differences) < WILCOXON_FROM:
        return None
    from scipy import stats

    return float(stats.wilcoxon(differences).pvalue) if any(differences) else 1.0


def holm(p_values: Sequence[float | None]) -> list[float | None]:
    """Return the p-values of one family, corrected after Holm, in their order.

    The i-th smallest of m is multiplied by m - i + 1, is at least the one before it, and at most 1.

    Args:
        p_values: The family's; None where there is no test, which doesn't count.
    """
    order = sorted((p, i) for i, p in enumerate(p_values) if p is not None)
    corrected: list[float | None] = [None] * len(p_values)
    largest = 0.0
    for place, (p, i) in enumerate(order):
        largest = max(largest, min(1.0, (len(order) - place) * p))
        corrected[i] = largest
    return corrected
