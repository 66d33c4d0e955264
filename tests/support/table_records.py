"""Synthetic run records for tests of tables."""

from dataclasses import asdict
from pathlib import Path

from stlora_ext.config.stream import StreamSettings
from stlora_ext.runs.record import Record
from stlora_ext.runs.store import write_record
from stlora_ext.tables.layout import layout
from stlora_ext.tables.markdown import render as render_markdown
from stlora_ext.tables.rows import Row, table_rows
from stlora_ext.tables.table import Table


def record(
    model="LSTM",
    seed=0,
    mae=20.0,
    config_hash=None,
    fingerprint="sha256:1",
    interval=5,
    lr=0.001,
    protocol="joint",
    arm="base",
    epochs=5,
    fitted=False,
    dataset="D",
    backbone=None,
    num_nodes=3,
):
    """Return a record whose average is MAE ``mae``, RMSE 2 ``mae``, MAPE ``mae`` / 2; step h has MAE ``mae`` + h."""
    scores = {"MAE": mae, "RMSE": 2 * mae, "MAPE": mae / 2}
    config_hash = config_hash or f"{model}{arm}{protocol}{lr}"
    adapter = {"base": 0, "plus": 500, "control": 300, "wide": 510, "finetune": 0}[arm]
    return {
        "key": {
            "dataset": dataset,
            "model": model,
            "protocol": protocol,
            "arm": arm,
            "config_hash": config_hash,
            "seed": seed,
        },
        "status": "finished",
        "fitted_backbone": fitted,
        "weights": "sha256:w",
        "trained_backbone": {"key": backbone, "weights": "sha256:w"} if protocol == "adapt" or backbone else None,
        "test": {"average": scores, "horizons": [{**scores, "MAE": mae + step} for step in range(1, 13)]},
        "data": {
            "fingerprint": fingerprint,
            "interval": interval,
            "windows": {"test": 9},
            "num_nodes": num_nodes,
            "num_steps": 16992,
        },
        "configuration": {
            "training": {"lr": lr, "num_epochs": epochs},
            "model": {},
            **({"adapter": {"sharing": "embedding"}} if adapter else {}),
        },
        "training": {"epochs": epochs, "history": []},
        "parameters": {"backbone": 100, "adapter": adapter, "adapter_percent": adapter / 100 or None},
        "provenance": {},
    }


def stream(
    arm="base", seed=0, mae=20.0, model="LSTM", weights="sha256:w", trained="t", every=288, seconds=1.0, **settings
):
    """Return a record of protocol ``stream``, from the backbone that a run with hash ``trained`` of its seed left.

    ``settings`` are those of the stream that differ from the defaults.
    """
    plus = arm in ("plus", "control", "wide")
    fitted = model.startswith("HA")
    key = {
        **record(model, None if fitted else seed, protocol="fitted" if fitted else "joint", config_hash=trained)["key"]
    }
    parts = {name: str(value) for name, value in settings.items()}
    made = record(
        model + "+" * plus,
        None if fitted and not plus else seed,
        mae,
        "-".join([f"{model}{arm}", trained, *parts, *parts.values()]),
        protocol="stream",
        arm=arm,
        fitted=fitted,
        backbone=key,
        interval=5,
    )
    made["trained_backbone"]["weights"] = weights
    made["configuration"]["stream"] = asdict(StreamSettings(**settings))
    made["training"] = {"epochs": 0, "history": [], "seconds_per_epoch": None}
    updated = arm != "base"
    made["stream"] = {
        "every": every,
        "periods": 2,
        "updates": 2 * updated,
        "seconds_per_update": seconds if updated else None,
        "loss": [1.0] * 2 * updated,
        "parameters_updated": made["parameters"]["adapter"] if plus else 100 * updated,
        **({"service_bytes": 64500} if plus else {}),
    }
    made["adapter_bytes"] = 22000 if plus else None
    return made


def arms(values, **settings):
    """Return a stream's records: ``values`` maps an arm to its errors under the seeds from 0 on."""
    return [stream(arm, seed, mae, **settings) for arm, errors in values.items() for seed, mae in enumerate(errors)]


def with_periods(content, absolute, counts, every=288):
    """Return a record's content with error sums of every period."""
    sums = {"absolute": [float(value) for value in absolute], "squared": [0.0] * len(counts)}
    content["test"]["periods"] = {"every": every, **sums, "count": [int(value) for value in counts]}
    return content


def seeds(values, **settings):
    """Return a record per value, seeds from 0 on."""
    return [record(seed=seed, mae=mae, **settings) for seed, mae in enumerate(values)]


def typed(records) -> list[Record]:
    """Return records as a command reads them."""
    return [Record.of(each) for each in records]


def rows(records, order=()) -> list[Row]:
    """Return the rows of records."""
    return table_rows(typed(records), order)


def write(records, folder: Path) -> Path:
    """Write records as a results folder."""
    for each in typed(records):
        write_record(each, folder)
    return folder


def table(records, order=(), **settings) -> Table:
    """Lay out records of data set D."""
    return layout("D", rows(records, order), **settings)


def markdown(records, order=(), **settings) -> str:
    """Return their table in Markdown."""
    return render_markdown([table(records, order, **settings)])
