"""Statistics of paired differences, against values from elsewhere."""

import math

import numpy as np
import pytest
from scipy import stats

from stlora_ext.tables.paired import PairedTest, holm, paired_test


def test_the_t_test_by_hand():
    """Differences 1, 2, 3: mean 2, standard error 1 / sqrt(3), t = 3.4641 with 2 degrees of freedom.

    There the distribution has a closed form: p = 1 - t / sqrt(2 + t²) and t(0.975) = 0.95 sqrt(2 / (1 - 0.95²)).
    """
    test = paired_test([1.0, 2.0, 3.0])
    t = 2 * math.sqrt(3)
    quantile = 0.95 * math.sqrt(2 / (1 - 0.95**2))
    assert test.count == 3 and test.mean == 2
    assert test.p == pytest.approx(1 - t / math.sqrt(2 + t * t), rel=1e-9)
    assert test.p == pytest.approx(0.0742, abs=5e-5)
    assert (test.low, test.high) == pytest.approx((2 - quantile / math.sqrt(3), 2 + quantile / math.sqrt(3)), rel=1e-9)


@pytest.mark.parametrize("count", [2, 5, 6, 20])
def test_the_tests_agree_with_scipys_on_two_samples(count):
    generator = np.random.default_rng(count)
    base = generator.normal(20, 1, count)
    plus = base - 0.3 + generator.normal(0, 0.4, count)
    test, expected = paired_test((plus - base).tolist()), stats.ttest_rel(plus, base)
    assert test.p == pytest.approx(expected.pvalue, rel=1e-9)
    interval = expected.confidence_interval(0.95)
    assert (test.low, test.high) == pytest.approx((interval.low, interval.high), rel=1e-9)
    if count < 6:
        assert test.wilcoxon is None
    else:
        assert test.wilcoxon == pytest.approx(stats.wilcoxon(plus, base).pvalue, rel=1e-9)


def test_wilcoxon_of_six_pairs_of_one_sign():
    """Of the 2^6 signs two are as extreme: p = 2 / 64."""
    assert paired_test([-1.0, -2.0, -3.0, -4.0, -5.0, -6.5]).wilcoxon == 2 / 64


def test_what_can_not_be_tested_is_none():
    assert paired_test([]) == PairedTest(0)
    one = paired_test([-0.5])
    assert (one.mean, one.low, one.high, one.p, one.wilcoxon) == (-0.5, None, None, None, None)


def test_differences_without_spread_prove_nothing():
    """All equal: t is infinite, which two equal scores of a copied record would make; all 0: no difference."""
    equal = paired_test([-1.0, -1.0 + 1e-15, -1.0])
    assert equal.p is None and equal.low == equal.high == pytest.approx(-1)
    assert paired_test([0.0] * 6).p == 1.0 and paired_test([0.0] * 6).wilcoxon == 1.0


def test_holm_on_a_known_example():
    """0.01, 0.04, 0.03, 0.005: sorted times 4, 3, 2, 1 is 0.02, 0.03, 0.06, 0.04; the last is raised to 0.06."""
    assert holm([0.01, 0.04, 0.03, 0.005]) == pytest.approx([0.03, 0.06, 0.06, 0.02])


def test_holm_stops_at_one_leaves_out_what_is_no_test_and_keeps_one_test_as_it_is():
    assert holm([0.7, None, 0.6]) == [1.0, None, 1.0]
    assert holm([None, 0.03]) == [None, 0.03]
    assert holm([]) == []
