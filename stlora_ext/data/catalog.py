"""The data sets that ship with configs: shape, calendar, split, and what a user has to bring."""

import math
import shlex
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from stlora_ext.data.names import check_dataset_name
from stlora_ext.errors import UserError, nearest
from stlora_ext.folders import DATA

USUAL_LEN = 12  # input steps, and forecast steps, of the benchmark's windows


@dataclass(frozen=True)
class CatalogEntry:
    """One known data set.

    Attributes:
        name: Folder under ``datasets/`` and under ``experiments/``.
        kind: ``official`` (the user brings the raw file), ``piece`` (an exact part of an official set)
            or ``simulated`` (made on first use).
        num_steps: Rows T.
        num_nodes: Sensors N.
        start: Time of the first row, ISO 8601.
        train_ratio: Share of the windows used for training.
        domain: What is measured.
        unit: Of a reading.
        raw: The raw file to bring.
        graph: The graph file to bring; None when the raw file holds it.
        heterogeneity: Of a simulated set, the strength H of the node-level differences.
        interval: Minutes per step.
        null_val: Reading that means missing.
        test_ratio: Share of the windows used for testing.
        neighbors: Neighbours of each sensor, where the graph comes from the sensors' positions.
        part_of: The set whose raw file may be brought instead: its first rows are taken.
    """

    name: str
    kind: Literal["official", "piece", "simulated"]
    num_steps: int
    num_nodes: int
    start: str
    train_ratio: float
    domain: str
    unit: str
    raw: str | None = None
    graph: str | None = None
    heterogeneity: float = 0.5
    interval: int = 5
    null_val: float = 0.0
    test_ratio: float = 0.2
    neighbors: int | None = None
    part_of: str | None = None


_FLOW, _SPEED = "vehicles in 5 min", "mph"
_TAXI: dict[str, Any] = {
    "domain": "taxi drop-offs",
    "unit": "drop-offs in 30 min",
    "raw": "NYC-TAXI.npz",
    "interval": 30,
    "null_val": math.nan,
}
_ENTRIES = (
    CatalogEntry(
        "PEMS03", "official", 26208, 358, "2018-09-01", 0.6, "traffic flow", _FLOW, "PEMS03.npz", "PEMS03.csv"
    ),
    CatalogEntry(
        "PEMS04", "official", 16992, 307, "2018-01-01", 0.6, "traffic flow", _FLOW, "PEMS04.npz", "PEMS04.csv"
    ),
    CatalogEntry(
        "PEMS07", "official", 28224, 883, "2017-05-01", 0.6, "traffic flow", _FLOW, "PEMS07.npz", "PEMS07.csv"
    ),
    CatalogEntry(
        "PEMS08", "official", 17856, 170, "2016-07-01", 0.6, "traffic flow", _FLOW, "PEMS08.npz", "PEMS08.csv"
    ),
    CatalogEntry(
        "METR-LA", "official", 34272, 207, "2012-03-01", 0.7, "traffic speed", _SPEED, "metr-la.h5", "adj_mx.pkl"
    ),
    CatalogEntry(
        "PEMS-BAY", "official", 52116, 325, "2017-01-01", 0.7, "traffic speed", _SPEED, "pems-bay.h5", "adj_mx_bay.pkl"
    ),
    CatalogEntry("PEMS08-TAIL", "piece", 7156, 170, "2016-08-07T03:40", 0.6, "traffic flow", _FLOW, "PEMS08-part.npz"),
    CatalogEntry("METR-LA-29", "piece", 34272, 29, "2012-03-01", 0.7, "traffic speed", _SPEED, "METR-LA-29.npz"),
    CatalogEntry("LOS-LOOP", "piece", 2016, 207, "2012-03-01", 0.7, "traffic speed", _SPEED, "METR-LA-week.npz"),
    CatalogEntry(
        "METR-LA-29-STREAM",
        "piece",
        34272,
        29,
        "2012-03-01",
        0.3,
        "traffic speed",
        _SPEED,
        "METR-LA-29.npz",
        test_ratio=0.66,
    ),
    CatalogEntry("NYC-TAXI", "piece", 35088, 69, "2019-01-01", 0.45, **_TAXI, test_ratio=0.5),
    CatalogEntry("NYC-TAXI-2019", "piece", 20400, 69, "2019-01-01", 0.7, **_TAXI, part_of="NYC-TAXI"),
    CatalogEntry(
        "MELBOURNE-PED",
        "piece",
        16056,
        55,
        "2021-01-01",
        0.15,
        "pedestrians",
        "pedestrians in an hour",
        "MELBOURNE-PED.npz",
        interval=60,
        null_val=math.nan,
        test_ratio=0.8,
        neighbors=8,
    ),
    CatalogEntry("TINY", "simulated", 7 * 288, 12, "2024-01-01", 0.6, "simulated traffic flow", _FLOW),
    CatalogEntry("CITY", "simulated", 28 * 288, 64, "2024-01-01", 0.6, "simulated traffic flow", _FLOW),
    CatalogEntry(
        "CITY-H0", "simulated", 28 * 288, 64, "2024-01-01", 0.6, "simulated traffic flow", _FLOW, heterogeneity=0
    ),
    CatalogEntry(
        "CITY-H1", "simulated", 28 * 288, 64, "2024-01-01", 0.6, "simulated traffic flow", _FLOW, heterogeneity=1
    ),
)

CATALOG: dict[str, CatalogEntry] = {entry.name: entry for entry in _ENTRIES}
SIMULATED = tuple(entry.name for entry in _ENTRIES if entry.kind == "simulated")


def catalog_entry(name: str) -> CatalogEntry:
    """Return the known data set ``name``.

    Raises:
        UserError: If there is none, with the nearest name.
    """
    check_dataset_name(name)
    if name not in CATALOG:
        raise UserError(f"unknown data set '{name}': {nearest(name, CATALOG)}")
    return CATALOG[name]


def how_to_get(name: str, folder: Path = DATA) -> str:
    """Return the sentence that tells how to get the prepared data set ``name`` into a folder of data sets."""
    entry = CATALOG.get(name)
    data = "" if folder.resolve() == DATA else f" --data {shlex.quote(str(folder))}"
    if entry is None:
        return f"prepare it with: python datasets/prepare.py {name} --raw YOUR_FILE [--graph YOUR_GRAPH]{data}"
    if entry.kind == "simulated":
        return f"make it with: python datasets/simulate.py {name}{data}"
    bring = entry.raw if entry.graph is None else f"{entry.raw} and {entry.graph}"
    graph = "" if entry.graph is None else f" --graph PATH/{entry.graph}"
    return f"bring {bring} and run: python datasets/prepare.py {name} --raw PATH/{entry.raw}{graph}{data}"
