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


def of_sensors(meta: Meta, columns: list[int]) -> Meta:
    """Return the data set's description with these sensors alone, and without its graph."""
    ids = [meta.sensor_ids[column] for column in columns] if meta.sensor_ids else []
    return replace(meta, num_nodes=len(columns), sensor_ids=ids, has_graph=False)
