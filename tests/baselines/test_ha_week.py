"""HA-week: the historical average by time of the week, on values computed by hand."""

import numpy as np
import pytest
import torch

from baselines.HAWeek import HAWeek, HAWeekConfig
from experiments import run as run_command
from stlora_ext.data.prepared import load_meta, load_split, missing
from stlora_ext.preparation.timeline import calendar

HOUR = np.timedelta64(1, "h")
MONDAY = np.datetime64("2024-01-01T00:00", "us")


def times(count: int, step: np.timedelta64, start: np.datetime64 = MONDAY) -> torch.Tensor:
    """Time of day and day of week as the prepared data hold them ``[count, 2]``."""
    return torch.from_numpy(calendar(start + np.arange(count) * step, int(step / np.timedelta64(1, "s"))))


def fitted(values, mask, stamps, steps_per_day: int) -> HAWeek:
    """A model fitted on ``values [rows, nodes]``."""
    data, there = torch.tensor(values, dtype=torch.float32), torch.tensor(mask)
    model = HAWeek(HAWeekConfig(num_nodes=data.shape[1], steps_per_day=steps_per_day, output_len=3))
    model.fit(data * there, there, stamps)
    return model


def ahead(model: HAWeek, stamps: torch.Tensor) -> np.ndarray:
    """Its forecast of one window at ``stamps [steps, 2]``."""
    return model(torch.full((1, 12, model.slot_mean.shape[1]), 99.0), stamps[None])[0].numpy()


def test_a_forecast_is_the_mean_of_the_same_time_of_the_week_whatever_the_window_holds():
    values = np.arange(3 * 168.0)[:, None]  # three weeks of hours: slot s holds s, s + 168, s + 336
    model = fitted(values, np.ones((504, 1), dtype=bool), times(504, HOUR), 24)
    np.testing.assert_allclose(ahead(model, times(3, HOUR, MONDAY + 30 * HOUR))[:, 0], [198, 199, 200])
    np.testing.assert_allclose(ahead(model, times(3, HOUR, MONDAY + 167 * HOUR))[:, 0], [335, 168, 169])


def test_missing_readings_leave_a_mean_alone():
    values, mask = np.arange(3 * 168.0)[:, None], np.ones((504, 1), dtype=bool)
    mask[168 + 5] = mask[336 + 5] = mask[6] = False
    model = fitted(values, mask, times(504, HOUR), 24)
    np.testing.assert_allclose(ahead(model, times(3, HOUR, MONDAY + 5 * HOUR))[:, 0], [5, 258, 175])


def test_a_slot_without_readings_takes_the_time_of_days_mean_then_the_sensors_then_the_networks():
    # Monday and Tuesday, four steps a day; the second sensor has no reading at 06:00, the third none at all
    quarter = np.timedelta64(6, "h")
    values = np.array([[1, 2, 0], [3, 0, 0], [5, 6, 0], [7, 8, 0], [2, 4, 0], [4, 0, 0], [6, 8, 0], [8, 10, 0.0]])
    mask = np.array([[True, row % 4 != 1, False] for row in range(8)])
    model = fitted(values, mask, times(8, quarter), 4)
    monday, sunday = times(2, quarter), times(2, quarter, MONDAY + 144 * HOUR)
    np.testing.assert_allclose(ahead(model, monday), [[1, 2, 0], [3, 38 / 6, 0]], rtol=1e-6)
    np.testing.assert_allclose(ahead(model, sunday), [[1.5, 3, 0], [3.5, 38 / 6, 0]], rtol=1e-6)


def test_a_time_of_days_mean_counts_every_reading_once():
    # three Mondays and one Tuesday at 00:00: the mean of the readings, not of the days' means
    day = np.timedelta64(1, "D")
    mask = np.zeros((22, 1), dtype=bool)
    mask[[0, 7, 14, 15]] = True
    model = fitted(np.where(mask, [[3.0]], 0) + 4.0 * (np.arange(22)[:, None] == 15), mask, times(22, day), 1)
    assert ahead(model, times(3, day))[:, 0] == pytest.approx([3.0, 7.0, 4.0])


@pytest.mark.parametrize("start", ["2024-01-01T00:00", "2024-01-01T23:59:59"])
def test_intervals_of_a_day_have_a_slot_for_each_day_of_the_week(start):
    day, first = np.timedelta64(1, "D"), np.datetime64(start, "us")
    values = np.arange(14.0)[:, None]
    model = fitted(values, np.ones((14, 1), dtype=bool), times(14, day, first), 1)
    np.testing.assert_allclose(ahead(model, times(3, day, first + 5 * day))[:, 0], [8.5, 9.5, 3.5])


@pytest.mark.parametrize(("step", "count"), [(1, 86400), (60, 1440), (300, 288), (1800, 48), (3600, 24)])
@pytest.mark.parametrize("offset", ["0", "half", "last"])
def test_no_two_times_of_a_week_share_a_slot_whenever_the_readings_begin(step, count, offset):
    shift = {"0": 0, "half": step // 2, "last": step - 1}[offset]
    stamps = times(7 * count, np.timedelta64(step, "s"), MONDAY + np.timedelta64(shift, "s"))
    slots = HAWeek(HAWeekConfig(num_nodes=1, steps_per_day=count))._slots(stamps)
    assert torch.equal(slots.sort().values, torch.arange(7 * count))


def test_run_fits_it_on_the_training_rows_alone(tiny_data, tmp_path):
    meta = load_meta(tiny_data, "TINY")
    run_command.main(
        ["-c", "experiments/TINY/HA-week.py", "--data", str(tiny_data), "--results", str(tmp_path), "--save-results"]
    )
    (folder,) = [path for path in (tmp_path / "TINY/HA-week").iterdir() if path.is_dir()]
    values, stamps = load_split(tiny_data, meta, "train")
    test_stamps = load_split(tiny_data, meta, "test")[1]
    values = np.where(missing(values, meta.null_val), np.nan, values.astype(np.float64))
    step = np.rint(stamps[:, 0] * 288) + 288 * np.rint(stamps[:, 1] * 7)
    target = np.rint(test_stamps[:, 0] * 288) + 288 * np.rint(test_stamps[:, 1] * 7)
    prediction = np.load(folder / "test_results/prediction.npy")
    for window, horizon in ((0, 0), (3, 11), (len(prediction) - 1, 5)):
        slot = target[window + 12 + horizon]
        rows = values[step == slot]
        if not len(rows):  # TINY trains on four days: the rest of the week takes the time of day
            rows = values[step % 288 == slot % 288]
        np.testing.assert_allclose(prediction[window, horizon], np.nanmean(rows, axis=0), rtol=1e-4)
