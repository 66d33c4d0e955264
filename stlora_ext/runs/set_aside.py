"""Which sensors of a data set are set aside as new ones, and the data set without them."""

from dataclasses import replace

import numpy as np

from stlora_ext.config.new_sensors import NewSensorsSettings
from stlora_ext.data.prepared import Meta
from stlora_ext.errors import UserError, nearest


def new_sensors(settings: NewSensorsSettings, meta: Meta) -> list[int]:
    """Return the columns of the sensors that are set aside, in rising order.

    Raises:
        UserError: If a name is unknown, or none or all of the sensors are set aside.
    """
    ids = list(meta.sensor_ids) or [str(node) for node in range(meta.num_nodes)]
    if settings.names:
        unknown = next((name for name in settings.names if name not in ids), None)
        if unknown is not None:
            raise UserError(f"new_sensors.names: {meta.name} has no sensor '{unknown}', {nearest(unknown, ids)}")
        chosen = sorted(ids.index(name) for name in settings.names)
    else:
        count = round(settings.share * meta.num_nodes)
        order = np.random.default_rng([settings.split, meta.num_nodes]).permutation(meta.num_nodes)
        chosen = sorted(int(node) for node in order[:count])
    if not 0 < len(chosen) < meta.num_nodes:
        raise UserError(
            f"new_sensors: {len(chosen)} of the {meta.num_nodes} sensors of {meta.name} would be set aside; expected "
            "at least one, and at least one that is left: give another new_sensors.share or new_sensors.names"
        )
    return chosen


def refuse_short_days(settings: NewSensorsSettings, meta: Meta) -> None:
    """Refuse days that are too few for a window, which could only be the mean of the known sensors' rows.

    Raises:
        UserError: On such days.
    """
    window = meta.input_len + meta.output_len
    for days in settings.days:
        if days and steps_of(days, meta.steps_per_day) < window:
            least = window / meta.steps_per_day
            raise UserError(
                f"new_sensors.days: {days:g} days of {meta.name} hold no window of {window} steps; give at least "
                f"{least:.4g} ({window} steps), or 0 for the mean of the known sensors' weights"
            )


def steps_of(days: float, steps_per_day: int) -> int:
    """Return how many steps some days have."""
    return round(days * steps_per_day)


def of_sensors(meta: Meta, columns: list[int]) -> Meta:
    """Return the data set's description with these sensors alone, and without its graph."""
    ids = [meta.sensor_ids[column] for column in columns] if meta.sensor_ids else []
    return replace(meta, num_nodes=len(columns), sensor_ids=ids, has_graph=False)
