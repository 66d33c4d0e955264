"""From a read series and a recipe to the series that is written: shape, times, missing readings, names."""

import math
from datetime import datetime
from pathlib import Path

import numpy as np

from stlora_ext.data.prepared import DAY
from stlora_ext.errors import UserError
from stlora_ext.horizons import in_words
from stlora_ext.preparation.clock import choose_axis, localize
from stlora_ext.preparation.recipe import Recipe
from stlora_ext.preparation.series import Series, check_ids
from stlora_ext.preparation.timeline import close_gaps, infer_interval, regular_times, show

LARGEST = 1e18  # float32 holds its square


def read_ids(path: Path) -> list[str]:
    """Read sensor ids, one a line, or all in one line between commas."""
    try:
        lines = [line.strip() for line in path.read_text(encoding="utf-8-sig").splitlines() if line.strip()]
        return [name.strip() for name in lines[0].split(",")] if len(lines) == 1 else lines
    except (OSError, UnicodeDecodeError) as error:
        raise UserError(f"id list {path} cannot be read ({error}): expected a text file with one id a line") from None


def check_shape(series: Series, recipe: Recipe, origin: str) -> None:
    """Check the shape of a catalog set; of the file of a whole set, a part takes its first rows.

    Raises:
        UserError: If it is another one.
    """
    if recipe.shape is not None and series.values.shape == recipe.whole:
        series.notes.append(f"the first {recipe.shape[0]} of the {len(series.values)} rows of {origin} are taken")
        series.values = series.values[: recipe.shape[0]]
        series.times = None if series.times is None else series.times[: recipe.shape[0]]
    if recipe.shape is not None and series.values.shape != recipe.shape:
        raise UserError(
            f"{origin} has shape {series.values.shape} [time, sensor], {recipe.name} has {recipe.shape}: "
            "bring the official file, or go on with --allow-other-shape"
        )


def set_times(series: Series, recipe: Recipe, fill_gaps: bool, origin: str) -> Series:
    """Give every row its time and make the axis regular.

    Raises:
        UserError: If neither the file nor the recipe says when the rows are, or they contradict each other.
    """
    num_steps = len(series.values)
    if num_steps < 2:
        raise UserError(f"{origin} has {num_steps} rows: expected a longer series")
    if series.times is None:
        interval = recipe.interval or series.interval
        if recipe.start is None or interval is None:
            raise UserError(
                f"{origin} does not say when its rows are: give --start (time of the first row, as "
                "2024-01-31T00:00) and --interval (minutes, or as 30s, 1h, 1d); a column of times is named with "
                "--time-column NAME"
            )
        _place_from_start(series, recipe.start, interval, recipe)
    else:
        _place(series, recipe, origin)
        choose_axis(series)
    interval = infer_interval(series.known_times, series.absolute_zone)
    for stated in (recipe.interval, series.interval):
        if stated is not None and stated != interval:
            raise UserError(
                f"rows of {origin} are {in_words(interval)} apart, {in_words(stated)} were stated: expected the same; "
                "correct --interval or the file"
            )
    series.interval = interval
    return close_gaps(series, interval, fill_gaps, recipe.known_gap)


def _place_from_start(series: Series, start: "np.datetime64[datetime]", interval: int, recipe: Recipe) -> None:
    """Give rows that have no times theirs: from a local time on, in absolute time up to steps of less than a day."""
    series.timezone = recipe.timezone
    series.wall = recipe.timezone is not None and interval >= DAY
    if series.absolute_zone is not None:
        utc, never, _ = localize(np.array([start]), series.absolute_zone)
        if never[0]:
            raise UserError(
                f"--start {show(start)} is a time that {series.absolute_zone} never had, its clocks skip it: expected "
                "the local time of the first row"
            )
        start = utc[0]
    series.times = _times_without_clock(start, recipe.known_gap, len(series.values), interval)


def _times_without_clock(
    start: np.datetime64, known_gap: tuple[str, str] | None, num_steps: int, interval: int
) -> np.ndarray:
    times = regular_times(start, num_steps, interval)
    if known_gap is not None:
        before, after = (np.datetime64(time, "us") for time in known_gap)
        skipped = after - before - np.timedelta64(interval, "s")
        times[times > before] += skipped
    return times


def _place(series: Series, recipe: Recipe, origin: str) -> None:
    """Check a file's own first time against the stated one; a nominal date gives way to it."""
    times = series.local_times
    if series.nominal and recipe.start is None:
        series.notes.append(f"the first row is put at {show(times[0])}, a nominal date: --start states the true one")
    if recipe.start is None or times[0] == recipe.start:
        return
    here, stated = show(times[0]), show(recipe.start)
    if series.nominal:
        shift = recipe.start - times[0]
        if shift % np.timedelta64(7, "D") != np.timedelta64(0):
            series.notes.append(
                f"the calendar features begin on {times[0].item():%A %H:%M}, the first row is "
                f"stated to be {recipe.start.item():%A %H:%M}: the features are not used"
            )
        # an official set has its own calendar; of other folders the features' gaps are kept
        series.times = (
            times + shift
            if recipe.shape is None
            else _times_without_clock(recipe.start, recipe.known_gap, len(times), infer_interval(times))
        )
        series.notes.append(f"the first row is at {stated}")
    elif not recipe.known:
        raise UserError(
            f"{origin} begins at {here}, --start says {stated}: leave --start out, the file has its own times"
        )
    elif recipe.shape is not None:
        raise UserError(
            f"{origin} begins at {here}, {recipe.name} at {stated}: bring the official file, or prepare "
            "under another NAME"
        )
    else:
        series.notes.append(f"begins at {here}, {recipe.name} at {stated}")


def set_missing(series: Series, stated: float | None, origin: str) -> None:
    """Settle what means missing, write it that way, and refuse infinite and huge readings.

    Args:
        series: Changed in place.
        stated: The recipe's null value; None: the file's own, or NaN.
        origin: The file, for the message.

    Raises:
        UserError: On an infinite or huge reading, naming row and sensor.
    """
    if stated is None and series.null_val is not None and not math.isnan(series.null_val):
        series.notes.append(f"readings of {series.null_val:g} are missing, as the folder's description says")
    null_val = stated if stated is not None else series.null_val
    series.null_val = math.nan if null_val is None else null_val
    rows = max(1, 2**24 // max(1, series.values.shape[1]))
    for first in range(0, len(series.values), rows):
        block = series.values[first : first + rows]
        infinite = np.argwhere(np.isinf(block))
        if len(infinite):
            row, column = infinite[0]
            name = series.sensor_ids[column] if series.sensor_ids else column
            raise UserError(
                f"{origin}, row {first + row + 1}, sensor '{name}': the reading is infinite (or beyond "
                "float32): expected a finite number, or NaN where it is missing"
            )
        huge = np.argwhere(np.abs(block) > LARGEST)
        if len(huge):
            row, column = huge[0]
            name = series.sensor_ids[column] if series.sensor_ids else column
            raise UserError(
                f"{origin}, row {first + row + 1}, sensor '{name}': the reading {block[row, column]:g} is "
                f"too large for errors to be squared: expected at most {LARGEST:g} in size, or NaN where "
                "it is missing"
            )
        if not math.isnan(series.null_val):
            block[np.isnan(block)] = series.null_val


def set_ids(series: Series, ids_file: Path | None, origin: str) -> None:
    """Name the columns: from ``--ids``, the file or its graph; the writer falls back to their indices.

    Raises:
        UserError: If the file names them and the list says otherwise.
    """
    if ids_file is None:
        return
    listed = read_ids(ids_file)
    check_ids(listed, series.values.shape[1], ids_file.name)
    if series.sensor_ids is not None and series.sensor_ids != listed:
        raise UserError(
            f"--ids {ids_file.name} differs from the sensor names in {origin}: leave it out, the file names its columns"
        )
    series.sensor_ids = listed
