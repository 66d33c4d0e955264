"""Simulated raw files in the official PEMS0x form, for trying out and testing the preparation."""

import csv
from pathlib import Path

import numpy as np

from stlora_ext.data.catalog import CATALOG
from stlora_ext.errors import UserError, nearest
from stlora_ext.files import atomic_path
from stlora_ext.preparation.timeline import parse_start
from stlora_ext.simulation.memory import check_memory
from stlora_ext.simulation.traffic import simulate

# channels of the official files: flow, or flow, occupancy and speed
_CHANNELS = {"PEMS03": 1, "PEMS04": 3, "PEMS07": 1, "PEMS08": 3}
_COPIES = {1: 3, 3: 15}  # of the flow as float32, by channels: what is held while the file is made (measured)
_FIRST_ID = 313344  # PEMS03 names sensors by their station number


def write_raw_file(name: str, path: Path, days: int | None, heterogeneity: float, seed: int) -> list[Path]:
    """Write ``data [T, N, C]`` float64 as .npz and the road distances beside it.

    Args:
        name: The official set whose form is taken.
        path: The .npz to write; NAME.csv (and PEMS03.txt, the id list) go beside it.
        days: Days; None: as many as the official file has.
        heterogeneity: Strength H of node-level differences.
        seed: Same arguments, same bytes.

    Returns:
        The files written.

    Raises:
        UserError: On a set of another form, an ending other than .npz, a file that is already there, or more days
            than fit into memory.
    """
    if name not in _CHANNELS:
        raise UserError(f"--raw-file cannot take the form of '{name}': {nearest(name, _CHANNELS)}")
    if path.suffix != ".npz":
        raise UserError(f"--raw-file {path}: expected a path that ends in .npz")
    entry = CATALOG[name]
    distances, id_list = path.with_name(f"{name}.csv"), path.with_name(f"{name}.txt")
    files = [path, distances] + ([id_list] if name == "PEMS03" else [])
    for target in files:
        if target.exists():
            raise UserError(f"{target} is already there and never replaced: move it away or choose another --raw-file")
    num_steps = entry.num_steps if days is None else days * 1440 // entry.interval
    check_memory(entry.num_nodes, num_steps, entry.interval, _COPIES[_CHANNELS[name]])
    first_day = parse_start(entry.start).item().weekday()
    traffic = simulate(entry.num_nodes, num_steps, entry.interval, heterogeneity, seed, first_day)
    names = [_FIRST_ID + index if name == "PEMS03" else index for index in range(entry.num_nodes)]
    graph = traffic.graph
    assert graph.distance is not None  # a simulated graph has them
    try:
        with atomic_path(distances) as temporary, open(temporary, "w", newline="", encoding="utf-8") as file:
            writer = csv.writer(file, lineterminator="\n")
            writer.writerow(["from", "to", "cost"])
            writer.writerows(
                [names[a], names[b], f"{1000 * length:.1f}"]
                for a, b, length in zip(graph.source, graph.target, graph.distance, strict=True)
            )
        if name == "PEMS03":
            with atomic_path(id_list) as temporary:
                temporary.write_text("".join(f"{sensor}\n" for sensor in names), encoding="utf-8")
        with atomic_path(path) as temporary, open(temporary, "wb") as archive:
            np.savez_compressed(archive, data=_channels(traffic.flow, _CHANNELS[name], seed))
    except OSError as error:
        raise UserError(f"{path} cannot be written ({error.strerror or error}): choose another --raw-file") from None
    return files


def _channels(flow: np.ndarray, count: int, seed: int) -> np.ndarray:
    """Return ``[T, N, C]`` float64: flow (vehicles / 5 min), and occupancy (share) and speed (mph) that go with it."""
    data = np.zeros((*flow.shape, count))
    data[:, :, 0] = flow
    if count == 3:
        rng = np.random.default_rng([seed, count])
        load = flow / 500
        speed = np.clip(68 - 30 * load**2 + rng.normal(0, 1.5, flow.shape), 5, 80)
        data[:, :, 1] = np.where(flow > 0, np.round(0.0025 * flow / (speed / 65), 4), 0)
        data[:, :, 2] = np.where(flow > 0, np.round(speed, 1), 0)
    return data
