"""One valid file of every format that the project reads, and what reads it."""

import json
import pickle
import shutil
from collections.abc import Callable
from dataclasses import asdict, dataclass
from functools import partial
from pathlib import Path

import h5py
import numpy as np
import torch

import prepare
from experiments import table
from stlora_ext.config.experiment import configuration, experiment
from stlora_ext.config.stream import StreamSettings
from stlora_ext.data.prepared import SPLITS, load_meta, load_split
from stlora_ext.folders import ROOT
from stlora_ext.host.checkpoint import save_checkpoint
from stlora_ext.lora.files import load_moments, save_adapter
from stlora_ext.preparation.recent import read_recent
from stlora_ext.runs.build import build_model
from stlora_ext.runs.key import RunKey
from stlora_ext.runs.reopen import FinishedRun, find_run, load_adapted, load_model, read_origin
from stlora_ext.runs.service import open_start
from stlora_ext.runs.store import read_record
from stlora_ext.tables.benchmark import benchmark_table

STEPS, NAMES = 60, ["north", "bridge", "south"]
TIMES = np.datetime64("2024-03-04T06:00") + np.arange(STEPS) * np.timedelta64(15, "m")
VALUES = np.random.default_rng(0).uniform(1, 9, (STEPS, 3)).round(2)
MATRIX = np.array([[0, 0.5, 0], [0, 1, 0], [0.25, 0, 0]])
WHEN = ("--start", "2024-03-04", "--interval", "15")
SMALL = {"embed_size": 4, "hidden_size": 8, "end_size": 8}


@dataclass(frozen=True)
class Format:
    """A file to damage and the reader that has to stand it.

    Attributes:
        path: The file.
        read: Reads it and what goes with it.
    """

    path: Path
    read: Callable[[], object]


def formats(root: Path) -> dict[str, Format]:
    """Write every file under ``root`` and return the formats by name."""
    return {**_raw(root), **_graphs(root), **_folders(root), **_prepared(root), **_records(root)}


def write_table(path: Path, times: np.ndarray = TIMES, values: np.ndarray = VALUES) -> Path:
    """Write readings as a CSV."""
    lines = [f"{time},{','.join(map(str, row))}" for time, row in zip(times, values.tolist(), strict=True)]
    path.write_text("\n".join([",".join(["time", *NAMES]), *lines]) + "\n")
    return path


def write_frame(path: Path) -> Path:
    """Write readings as pandas' fixed HDF5 format does."""
    with h5py.File(path, "w") as file:
        frame = file.create_group("df")
        frame.attrs["pandas_type"], frame.attrs["nblocks"] = np.bytes_("frame"), 1
        frame["axis0"] = frame["block0_items"] = np.array([name.encode() for name in NAMES])
        frame["axis1"] = TIMES.astype("datetime64[ns]").astype(np.int64)
        frame["axis1"].attrs["kind"] = np.bytes_("datetime64")
        frame.create_dataset("block0_values", data=VALUES, chunks=(20, 3), compression="gzip")
    return path


def _prepare(root: Path, raw: Path, *options: object) -> None:
    prepare.main(["FUZZ", "--raw", str(raw), *map(str, options), "--data", str(root / "out"), "--force"])


def _raw(root: Path) -> dict[str, Format]:
    np.save(root / "raw.npy", VALUES)
    np.savez_compressed(root / "raw.npz", data=VALUES, adj=MATRIX, sensor_ids=np.array(NAMES))
    write_table(root / "raw.csv")
    write_frame(root / "raw.h5")
    (root / "ids.txt").write_text("\n".join(NAMES))
    zoned = [f"{time}+01:00;{';'.join(map(str, row))}" for time, row in zip(TIMES, VALUES.tolist(), strict=True)]
    (root / "zoned.csv").write_text("\n".join([";".join(["time", *NAMES]), *zoned]).replace(".", ","))
    long = [f"{TIMES[row]},{name},{VALUES[row, column]}" for row in range(STEPS) for column, name in enumerate(NAMES)]
    (root / "long.csv").write_text("\n".join(["time,sensor,value", *long]))
    np.savez(root / "timed.npz", data=VALUES, times=TIMES, ids=np.array(NAMES))
    files = {
        "raw.npy": WHEN,
        "raw.npz": WHEN,
        "raw.csv": (),
        "raw.h5": (),
        "zoned.csv": ("--timezone", "Europe/Berlin"),
        "long.csv": (),
        "timed.npz": (),
    }
    found = {
        name: Format(root / name, partial(_prepare, root, root / name, *options)) for name, options in files.items()
    }
    shutil.copy(root / "raw.npy", root / "listed.npy")
    read = partial(_prepare, root, root / "listed.npy", *WHEN, "--ids", root / "ids.txt")
    return {**found, "ids.txt": Format(root / "ids.txt", read)}


def _graphs(root: Path) -> dict[str, Format]:
    raw = write_table(root / "readings.csv")
    (root / "edges.csv").write_text("from,to,weight,cost\nnorth,bridge,0.5,1200\nbridge,south,1,800\n")
    np.savetxt(root / "matrix.csv", MATRIX, delimiter=",", fmt="%g")
    np.save(root / "graph.npy", MATRIX)
    np.savez(root / "graphs.npz", FUZZ=MATRIX, FUZZ_dist=MATRIX, FUZZ_ids=np.array(NAMES))
    (root / "graph.pkl").write_bytes(pickle.dumps([NAMES, {}, MATRIX.astype(np.float32)], protocol=2))
    source, target = np.nonzero(MATRIX)
    np.savez(
        root / "edges.npz",
        num_nodes=3,
        source=source,
        target=target,
        weight=MATRIX[source, target],
        position=np.zeros((3, 2)),
    )
    names = ("edges.csv", "matrix.csv", "graph.npy", "graphs.npz", "graph.pkl", "edges.npz")
    return {name: Format(root / name, partial(_prepare, root, raw, "--graph", root / name)) for name in names}


def _folders(root: Path) -> dict[str, Format]:
    old, stock = root / "OLD", root / "STOCK"
    old.mkdir()
    stock.mkdir()
    minutes = TIMES.astype("datetime64[m]").astype(np.int64)
    stamps = np.stack([minutes % 1440 / 1440, (minutes // 1440 + 3) % 7 / 7], axis=1).astype(np.float32)
    channels = np.concatenate([VALUES[:, :, None], np.broadcast_to(stamps[:, None], (STEPS, 3, 2))], -1)
    channels.astype(np.float32).tofile(old / "data.dat")
    features = ["time of day", "day of week"]
    (old / "desc.json").write_text(
        json.dumps(
            {
                "shape": [STEPS, 3, 3],
                "frequency (minutes)": 15,
                "regular_settings": {"NULL_VAL": 0.0},
                "feature_description": ["flow", *features],
            }
        )
    )
    for split, rows in zip(SPLITS, (slice(0, 36), slice(36, 48), slice(48, STEPS)), strict=True):
        np.save(stock / f"{split}_data.npy", VALUES[rows].astype(np.float32))
        np.save(stock / f"{split}_timestamps.npy", stamps[rows])
    (stock / "meta.json").write_text(
        json.dumps(
            {"frequency (minutes)": 15, "timestamps_description": features, "regular_settings": {"null_val": None}}
        )
    )
    files = (old / "desc.json", old / "data.dat", stock / "meta.json", stock / "train_timestamps.npy")
    return {f"{file.parent.name}/{file.name}": Format(file, partial(_prepare, root, file.parent)) for file in files}


def _prepared(root: Path) -> dict[str, Format]:
    """The files of a prepared data set, of a run on it, and the readings that ``predict.py`` takes."""
    prepare.main(
        ["READY", "--raw", str(root / "readings.csv"), "--graph", str(root / "edges.csv"), "--data", str(root)]
    )
    folder, meta = root / "READY", load_meta(root, "READY")

    def open_ready() -> None:
        again = load_meta(root, "READY")
        for split in SPLITS:
            load_split(root, again, split)

    def graph() -> None:
        build_model(experiment("READY", "GWNet"), meta, root)

    recent = write_table(root / "recent.csv", TIMES[:14], VALUES[:14])
    found = {
        "READY/meta.json": Format(folder / "meta.json", open_ready),
        "READY/val_data.npy": Format(folder / "val_data.npy", open_ready),
        "READY/graph.npz": Format(folder / "graph.npz", graph),
        "recent.csv": Format(recent, partial(read_recent, recent, meta)),
    }
    exp = experiment("READY", "LSTM+", model_settings=SMALL)
    key = RunKey("READY", "LSTM+", "joint", "plus", "0" * 8, 0)
    model, stats = build_model(exp, meta, root), {"mean": torch.tensor(5.0), "std": torch.tensor(2.0)}
    checkpoint, adapter = root / "model.pt", root / "adapter.safetensors"
    save_checkpoint(
        {
            "epoch": 1,
            "model_state_dict": model.state_dict(),
            "scaler_stats": stats,
            "best_metrics": {},
            "history": [],
            "data_fingerprint": meta.fingerprint,
            "config_md5": "0" * 32,
        },
        checkpoint,
    )
    described = {
        "scaler": stats,
        "data_fingerprint": meta.fingerprint,
        "origin": {"key": key.as_dict(), "configuration": json.loads(json.dumps(configuration(exp)))},
    }
    save_adapter(model, adapter, **described)
    optimizer = torch.optim.Adam(model.adapter.parameters())
    sum(parameter.sum() for parameter in model.adapter.parameters()).backward()
    optimizer.step()
    done = {"index": 0, "until": "2024-03-04T06:00:00", "readings": 3, "loss": 1.5, "seconds": 0.1}
    said = {"update": 1, "seed": 0, "stream": asdict(StreamSettings()), "updates": [done]}
    service = root / "service.safetensors"
    save_adapter(model, service, **described, optimizer=optimizer, service=said)

    def open_service() -> None:
        start = open_start(service, root, root, backbone=root / "backbone.pt")
        start.service.seen_until(meta, service)
        load_moments(torch.optim.Adam(start.model.adapter.parameters()), start.model, service)

    shutil.copy(checkpoint, root / "backbone.pt")
    run = FinishedRun(root / "run.json", {}, key, exp, checkpoint, ())
    return {
        **found,
        "model.pt": Format(checkpoint, partial(load_model, run, meta, root)),
        "adapter.safetensors": Format(
            adapter, lambda: load_adapted(read_origin(adapter), meta, root, root / "backbone.pt")
        ),
        "service.safetensors": Format(service, open_service),
    }


def _records(root: Path) -> dict[str, Format]:
    source = min((ROOT / "results" / "published" / "CITY" / "LSTM+").glob("*.json"))
    record = root / "results" / "CITY" / "LSTM+" / source.name
    record.parent.mkdir(parents=True)
    shutil.copy(source, record)
    content = {"columns": [["nodes", "Nodes", "{:,}"]], "rows": [{"nodes": 170}]}
    (root / "benchmark.json").write_text(json.dumps(content))

    def read() -> None:
        find_run(record, root)
        read_record(record)
        table.main(["--dataset", "CITY", "--results", str(root / "results")])

    return {
        "record.json": Format(record, read),
        "benchmark.json": Format(root / "benchmark.json", partial(benchmark_table, root / "benchmark.json")),
    }
