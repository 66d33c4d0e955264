"""The interval over time: its definition, known cases, what it covers, and why there is none."""

import math
import random

import numpy as np
import pytest

from stlora_ext.tables.over_time import DRAWS, OverTime, difference_over_time, resampled, share_over_time
from tests.support.table_records import record, typed, with_periods

DAYS = 366


def pairs(*arms, interval=60, every=24, counts=None):
    """Return records of several arms, seeds from 0 on: each arm is a list of daily errors ``[seeds, days]``."""
    counts = np.full(np.shape(arms[0])[1], 100) if counts is None else counts
    records = [
        [
            with_periods(record(seed=seed, interval=interval), errors * counts, counts, every)
            for seed, errors in enumerate(arm)
        ]
        for arm in arms
    ]
    return list(zip(*map(typed, records), strict=True))


def autoregressive(generator, shape, correlation):
    noise = generator.standard_normal(shape)
    noise[..., 0] /= math.sqrt(1 - correlation**2)
    for day in range(1, shape[-1]):
        noise[..., day] += correlation * noise[..., day - 1]
    return noise


def plainly_resampled(errors, counts, block, draws, seed):
    """The definition, a period at a time."""
    periods = len(errors[0])
    number = math.ceil(periods / block)
    starts = np.random.default_rng(seed).integers(0, periods - block + 1, (draws, number))
    scores = []
    for error, count in zip(errors, counts, strict=True):
        scores.append([])
        for draw in range(draws):
            chosen = [int(start) + place for start in starts[draw] for place in range(block)][:periods]
            scores[-1].append(sum(error[p] for p in chosen) / sum(count[p] for p in chosen))
    return scores


@pytest.mark.parametrize(("periods", "block"), [(29, 7), (28, 7), (10, 1), (9, 4), (7, 7)])
def test_a_draw_is_made_as_the_definition_says(periods, block):
    draw = random.Random(0)
    errors = [[draw.uniform(0, 900) for _ in range(periods)] for _ in range(3)]
    counts = [[draw.randint(1, 50) for _ in range(periods)] for _ in range(3)]
    made = resampled(np.array(errors), np.array(counts), block, draws=40, seed=3)
    np.testing.assert_allclose(made, plainly_resampled(errors, counts, block, 40, 3), rtol=1e-12)


def test_a_constant_difference_has_an_interval_without_width():
    """Though the errors and the numbers of targets change from day to day."""
    generator = np.random.default_rng(1)
    base = generator.uniform(5, 50, (2, DAYS))
    found = difference_over_time(pairs(base, base - 0.25, counts=generator.integers(1, 500, DAYS)))
    assert found.low == pytest.approx(-0.25, abs=1e-9) and found.high == pytest.approx(-0.25, abs=1e-9)
    assert found.percent_low < -0.5 and found.percent_high > -2 and not found.reason
    half = difference_over_time(pairs(base, base / 2))
    assert (half.percent_low, half.percent_high) == pytest.approx((-50, -50), abs=1e-9)


def test_the_share_of_a_gain_is_known_where_every_day_reaches_the_same():
    base = np.random.default_rng(2).uniform(5, 50, (2, DAYS))
    found = share_over_time(pairs(base, 0.6 * base, 0.5 * base))
    assert (found.low, found.high) == pytest.approx((80, 80), abs=1e-9)
    assert "nothing is gained" in share_over_time(pairs(base, base, base)).reason


def test_of_independent_days_the_interval_is_about_the_normal_one():
    difference = np.random.default_rng(3).standard_normal((1, DAYS))
    found = difference_over_time(pairs(np.full((1, DAYS), 20.0), 20 + difference))
    half = 1.96 * difference.std() / math.sqrt(DAYS)
    assert found.low == pytest.approx(difference.mean() - half, abs=0.15 * half)
    assert found.high == pytest.approx(difference.mean() + half, abs=0.15 * half)


def test_seeds_share_their_days_and_are_averaged_before_the_draw():
    """Two seeds whose errors cancel each other every day leave nothing that days could change."""
    base = np.full((2, DAYS), 20.0)
    noise = np.random.default_rng(4).standard_normal(DAYS)
    found = difference_over_time(pairs(base, base + np.stack([noise, -noise])))
    assert (found.low, found.high) == pytest.approx((0, 0), abs=1e-9)


@pytest.mark.parametrize("correlation", [0.0, 0.3, 0.6])
def test_the_interval_holds_the_truth_about_as_often_as_it_says_where_days_are_alike(correlation):
    """Of days that depend on each other, blocks lose little of the 95 %; single days lose much more."""
    series = 400
    values = autoregressive(np.random.default_rng(5), (series, DAYS), correlation)
    covered = {}
    for block in (1, 7):
        low, high = np.percentile(resampled(values, np.ones_like(values), block, draws=400), (2.5, 97.5), axis=1)
        covered[block] = ((low < 0) & (high > 0)).mean()
    assert 0.86 < covered[7] < 0.985
    if correlation:
        assert covered[7] > covered[1] + 0.03


def test_of_few_weeks_the_interval_is_too_narrow():
    """Its known limit, of days that don't depend on each other: four blocks draw too little variety."""
    covered = {}
    for days in (28, 84):
        values = np.random.default_rng(5).standard_normal((400, days))
        low, high = np.percentile(resampled(values, np.ones_like(values), 7, draws=400), (2.5, 97.5), axis=1)
        covered[days] = ((low < 0) & (high > 0)).mean()
    assert 0.72 < covered[28] < 0.88 < 0.91 < covered[84] < 0.98


def test_the_same_records_have_the_same_interval_and_draws_are_many():
    base = np.random.default_rng(6).uniform(5, 50, (1, 40))
    other = np.random.default_rng(7).uniform(5, 50, (1, 40))
    assert difference_over_time(pairs(base, other)) == difference_over_time(pairs(base, other))
    assert DRAWS == 10_000


@pytest.mark.parametrize(("days", "known"), [(27, False), (28, True)])
@pytest.mark.parametrize(("every", "interval"), [(288, 5), (24, 60), (12, 60), (1, 10080)])
def test_fewer_than_four_weeks_have_no_interval(days, known, every, interval):
    """Whatever the length of a period: half a day, a day, a week."""
    periods = int(days * 1440 / (every * interval))
    base = np.random.default_rng(8).uniform(5, 50, (1, periods))
    found = difference_over_time(pairs(base, base + 1, interval=interval, every=every))
    assert (found.low is not None) == known
    assert known or "shorter than 4 blocks of 7 days" in found.reason


@pytest.mark.parametrize(("every", "block"), [(336, 14), (120, 5), (96, 8), (240, 10)])
def test_a_block_is_of_whole_periods_and_the_reason_says_how_long_it_is(every, block):
    base = np.random.default_rng(8).uniform(5, 50, (1, 3 * block * 24 // every))
    found = difference_over_time(pairs(base, base + 1, interval=60, every=every))
    assert found.reason == f"a test of {3 * block} days is shorter than 4 blocks of {block} days"


def test_without_an_interval_the_reason_is_told():
    base = np.full((1, 40), 20.0)
    ((first, _),) = pairs(base, base)
    assert difference_over_time([]) == OverTime(reason="no runs pair")
    (before,) = typed([record()])
    assert "hold no error sums per day" in difference_over_time([(before, first)]).reason
    ((other, _),) = pairs(base, base, every=12)
    assert "periods of its runs differ" in difference_over_time([(first, other)]).reason
    ((other, _),) = pairs(base, base, interval=30)
    assert "periods of its runs differ" in difference_over_time([(first, other)]).reason
    counts = np.zeros(40, int)
    counts[7] = 1
    assert "hold no target" in difference_over_time(pairs(base, base, counts=counts)).reason
