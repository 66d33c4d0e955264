"""The interval over time of a difference between two arms: a moving-block bootstrap over the periods of the test.

A record holds, for each period p (a day, or a stream's period), the sum a_p of the absolute errors and the number c_p
of targets. A score is their ratio over all periods, sum(a_p) / sum(c_p); those of several seeds are averaged. One draw
makes a test of as many periods: blocks of consecutive periods that cover 7 days, each begun at a period drawn with
replacement from those at which a whole block begins, the last one cut to fit. Both arms and all seeds of a draw consist
of the same periods, so a difference stays paired. The interval is from the 2.5th to the 97.5th percentile of 10,000
draws, whose generator has a fixed seed. It says how much other weeks of these runs could change; nothing about other
seeds. Of few weeks it is too narrow: see ``test_of_few_weeks_the_interval_is_too_narrow``.

H. R. Künsch (1989): The jackknife and the bootstrap for general stationary observations. Annals of Statistics 17(3),
1217-1241: blocks that overlap keep the dependence between days that follow each other.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache

import numpy as np

from stlora_ext.runs.record import Record

BLOCK_DAYS = 7
LEAST_BLOCKS = 4
DRAWS = 10_000
_SEED = 0
_ENDS = (2.5, 97.5)  # percentiles
_MINUTES = 1440  # of a day


@dataclass(frozen=True)
class OverTime:
    """A number with its interval over time.

    Attributes:
        low: Lower end of its 95 % interval; None without one.
        high: Upper end.
        percent_low: Lower end of the interval of the difference in percent; None without one.
        percent_high: Upper end.
        reason: Why there is no interval; empty where there is one.
    """

    low: float | None = None
    high: float | None = None
    percent_low: float | None = None
    percent_high: float | None = None
    reason: str = ""


def difference_over_time(pairs: Sequence[tuple[Record, Record]]) -> OverTime:
    """Return the interval of the difference of the average MAE, the second of each pair minus the first.

    Args:
        pairs: The records of two arms, a pair for each seed.
    """
    reason = _why_not([record for pair in pairs for record in pair])
    if reason:
        return OverTime(reason=reason)
    befores, afters = (_drawn([pair[place] for pair in pairs]) for place in (0, 1))
    with np.errstate(divide="ignore", invalid="ignore"):
        low, high = _interval((afters - befores).mean(axis=0))
        percent_low, percent_high = _interval((100 * (afters - befores) / befores).mean(axis=0))
    if low is None:
        return OverTime(reason="draws of its periods hold no target")
    return OverTime(low, high, percent_low, percent_high)


def share_over_time(triples: Sequence[tuple[Record, Record, Record]]) -> OverTime:
    """Return the interval of the share, in percent, that one arm reaches of what another gains over the base.

    It is 100 (base - one) / (base - other), each score averaged over seeds.

    Args:
        triples: The records of the base, the one and the other, for each seed.
    """
    reason = _why_not([record for triple in triples for record in triple])
    if reason:
        return OverTime(reason=reason)
    base, one, other = (_drawn([triple[place] for triple in triples]).mean(axis=0) for place in range(3))
    if not (base > other).all():
        return OverTime(reason="in some draws of its periods nothing is gained that a share could be of")
    return OverTime(*_interval(100 * (base - one) / (base - other)))


def resampled(errors: np.ndarray, counts: np.ndarray, block: int, draws: int = DRAWS, seed: int = _SEED) -> np.ndarray:
    """Return the scores of tests made of drawn blocks.

    Args:
        errors: Sums of errors ``[series, periods]``; every series is drawn alike.
        counts: Numbers of targets ``[series, periods]``.
        block: Periods of a block, at most all of them.
        draws: How many tests.
        seed: Of the generator.

    Returns:
        np.ndarray: Scores ``[series, draws]``; NaN where a draw holds no target.
    """
    periods = errors.shape[1]
    number = -(-periods // block)
    starts = _starts(periods - block + 1, number, draws, seed)
    last = periods - (number - 1) * block  # periods of the last block, cut to fit
    with np.errstate(divide="ignore", invalid="ignore"):
        return np.stack(
            [
                _sums(error, starts, block, last) / _sums(count, starts, block, last)
                for error, count in zip(errors, counts, strict=True)
            ]
        )


@lru_cache(maxsize=4)
def _starts(places: int, number: int, draws: int, seed: int) -> np.ndarray:
    """Return where the blocks of every draw begin, ``[draws, number]``."""
    return np.random.default_rng(seed).integers(0, places, (draws, number))


def _sums(values: np.ndarray, starts: np.ndarray, block: int, last: int) -> np.ndarray:
    until = np.concatenate([[0.0], np.cumsum(values, dtype=np.float64)])
    whole, cut = (until[length:] - until[:-length] for length in (block, last))
    return whole[starts[:, :-1]].sum(axis=1) + cut[starts[:, -1]]


def _drawn(records: Sequence[Record]) -> np.ndarray:
    """Return the average MAE of the records in every draw, ``[records, draws]``."""
    known = [record.scores.periods for record in records if record.scores.periods is not None]
    errors, counts = (np.array([getattr(periods, name) for periods in known]) for name in ("absolute", "count"))
    return resampled(errors, counts, _block(records[0]))


def _interval(values: np.ndarray) -> tuple[float | None, float | None]:
    if not np.isfinite(values).all():
        return None, None
    low, high = np.percentile(values, _ENDS)
    return float(low), float(high)


def _block(record: Record) -> int:
    """Return the periods of a block."""
    periods = record.scores.periods
    return 1 if periods is None else max(1, round(BLOCK_DAYS * _MINUTES / (periods.every * record.data.interval)))


def _why_not(records: Sequence[Record]) -> str:
    """Return why there is no interval; empty where there is one."""
    if not records:
        return "no runs pair"
    known = [(one.scores.periods, one.data.interval) for one in records if one.scores.periods is not None]
    if len(known) < len(records):
        return "the records hold no error sums per day, as older ones do not; a repeated run keeps them"
    if len({(periods.every, len(periods.count), interval) for periods, interval in known}) > 1:
        return "the periods of its runs differ"
    (first, interval), *_ = known
    if len(first.count) // _block(records[0]) < LEAST_BLOCKS:
        period = first.every * interval / _MINUTES
        days, block = len(first.count) * period, _block(records[0]) * period
        return f"a test of {days:.3g} days is shorter than {LEAST_BLOCKS} blocks of {block:.3g} days"
    return ""
