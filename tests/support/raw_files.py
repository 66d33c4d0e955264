"""Raw readings as users have them."""

import h5py
import numpy as np

STEPS = 120
NAMES = ["north", "south", "east"]


def table(num_steps=STEPS, start="2024-03-04T06:00", interval=15):
    """Return times and readings ``[num_steps, 3]``."""
    times = np.datetime64(start) + np.arange(num_steps) * np.timedelta64(interval, "m")
    return times, np.random.default_rng(0).uniform(1, 9, (num_steps, 3)).round(3)


def write_csv(path, times, values, names=NAMES, cells=None):
    """Write a CSV; ``cells`` maps (row from 1, name) to other text."""
    lines = [",".join(["time", *names])]
    for row, (time, readings) in enumerate(zip(times, values, strict=True), start=1):
        texts = [(cells or {}).get((row, name), str(value)) for name, value in zip(names, readings, strict=True)]
        lines.append(",".join([(cells or {}).get((row, "time"), str(time)), *texts]))
    path.write_text("\n".join(lines) + "\n")
    return path


def write_frame(path, values, times, columns, unit="ns"):
    """Write what pandas' ``to_hdf(..., format="fixed")`` writes, with h5py."""
    with h5py.File(path, "w") as file:
        frame = file.create_group("df")
        frame.attrs["pandas_type"] = np.bytes_("frame")
        frame.attrs["nblocks"] = 1
        frame["axis0"] = frame["block0_items"] = np.array(columns)
        frame["axis1"] = times.astype(f"datetime64[{unit}]").astype(np.int64)
        frame["axis1"].attrs["kind"] = np.bytes_("datetime64" if unit == "ns" else f"datetime64[{unit}]")
        frame["block0_values"] = values
    return path


def write_readings(path, names):
    """Write a CSV of readings of sensors with these names."""
    times, _ = table()
    values = np.random.default_rng(0).uniform(1, 9, (STEPS, len(names))).round(3)
    return write_csv(path, times, values, names)
