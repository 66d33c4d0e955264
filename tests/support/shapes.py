"""The same small table in every shape that docs/data.md names, by the names that its files have on that page."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pandas as pd

import prepare
from tests.support.raw_files import write_frame

TIMES = pd.date_range("2024-03-04", periods=160, freq="15min", name="time")
NAMES = ["north", "bridge", "south"]
WIDE = pd.DataFrame(np.random.default_rng(0).uniform(20, 80, (len(TIMES), 3)).round(1), TIMES, NAMES)
LONG = WIDE.rename_axis(columns="sensor").stack().rename("value").reset_index()
BERLIN = WIDE.tz_localize("Europe/Berlin")
NEEDED = {".xlsx": "openpyxl", ".parquet": "pyarrow"}


def _apart(path: Path) -> None:
    """Write date and hour in columns of their own."""
    table = WIDE.reset_index(drop=True)
    table.insert(0, "hour", TIMES.strftime("%H:%M"))
    table.insert(0, "date", TIMES.strftime("%Y-%m-%d"))
    table.to_csv(path, index=False)


def _states(path: Path) -> None:
    """Write LibCity's states: a row per sensor and time, a column per channel."""
    states = pd.concat([LONG[LONG["sensor"] == name] for name in NAMES])
    times = states["time"].dt.strftime("%Y-%m-%dT%H:%M:%SZ")
    columns = {"dyna_id": range(len(states)), "type": "state", "time": times, "entity_id": states["sensor"]}
    values = {"traffic_flow": states["value"] * 3, "traffic_speed": states["value"]}
    pd.DataFrame({**columns, **values}).to_csv(path, index=False)


def _folder(path: Path) -> None:
    """Prepare a folder under another root."""
    WIDE.to_csv(path.parent / "source.csv")
    prepare.main([path.name, "--raw", str(path.parent / "source.csv"), "--data", str(path.parent)])


def _places(path: Path) -> None:
    path.write_text("from,to,cost\nnorth,bridge,1200\nbridge,south,800\n")


SHAPES: dict[str, Callable[[Path], object]] = {
    "mine.csv": WIDE.to_csv,
    "semicolons.csv": lambda path: WIDE.to_csv(path, sep=";", decimal=",", encoding="utf-8-sig"),
    "bare.csv": lambda path: WIDE.to_csv(path, header=False),
    "untimed.csv": lambda path: WIDE.to_csv(path, index=False),
    "date-and-hour.csv": _apart,
    "named.csv": lambda path: WIDE.rename_axis("Zeitpunkt").reset_index()[[*NAMES, "Zeitpunkt"]].to_csv(path),
    "german.csv": lambda path: WIDE.set_axis(TIMES.strftime("%d.%m.%Y %H:%M")).to_csv(path, index_label="time"),
    "american.csv": lambda path: WIDE.set_axis(TIMES.strftime("%m/%d/%Y %I:%M %p")).to_csv(path, index_label="time"),
    "offsets.csv": BERLIN.to_csv,
    "seconds.csv": lambda path: WIDE.set_axis(BERLIN.index.as_unit("s").astype("int64")).to_csv(
        path, index_label="time"
    ),
    "long.csv": lambda path: LONG.sample(frac=1, random_state=0).to_csv(path, index=False),
    "readings.csv": lambda path: LONG.set_axis(["when", "who", "what"], axis=1).assign(ok=1).to_csv(path, index=False),
    "MINE.dyna": _states,
    "mine.xlsx": WIDE.to_excel,
    "mine.parquet": WIDE.to_parquet,
    "mine.h5": lambda path: write_frame(path, WIDE.to_numpy(), TIMES.to_numpy(), [name.encode() for name in NAMES]),
    "mine.npy": lambda path: np.save(path, WIDE.to_numpy()),
    "mine.npz": lambda path: np.savez(path, data=WIDE.to_numpy(), times=TIMES.to_numpy(), ids=np.array(NAMES)),
    "channels.npz": lambda path: np.savez(path, data=np.stack([WIDE.to_numpy(), 2 * WIDE.to_numpy()], axis=2)),
    "turned.npy": lambda path: np.save(path, WIDE.to_numpy().T),
    "OTHER/MINE": _folder,
    "edges.csv": _places,
}
