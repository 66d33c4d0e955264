"""Synthetic records of protocol ``stream``."""

from tests.support.table_records import record

DAY = 24  # steps


def stream_record(
    arm="plus",
    backbone="LSTM",
    errors=(10.0,) * 30,
    counts=None,
    every=DAY,
    seed=0,
    start="2024-01-01T00:00:00",
    timezone=None,
    seconds=0.25,
    dataset="D",
    config_hash=None,
    **settings,
):
    """Return a record of hourly data with a period per error: its MAE, over so many targets as ``counts`` says.

    The test set's first target is at row 60, noon of the third day; RMSE is twice the MAE.
    """
    counts = [100] * len(errors) if counts is None else counts
    adapted = arm in ("plus", "control", "wide")
    made = record(
        f"{backbone}+" if adapted else backbone,
        seed,
        protocol="stream",
        arm=arm if adapted else "base",
        interval=60,
        dataset=dataset,
        config_hash=config_hash or f"{backbone}{adapted and arm}{settings}",
        fitted=backbone == "HA",
    )
    made["key"]["arm"] = arm
    made["configuration"]["training"] |= {"input_len": 12}
    made["configuration"]["stream"] = {
        "every": None if every == DAY else every,
        "steps": 20,
        "memory": 14.0,
        **settings,
    }
    made["data"] |= {
        "start": start,
        "windows": {"train": 40, "val": 8, "test": every * len(errors)},
        **({} if timezone is None else {"timezone": timezone}),
    }
    sums = [float(error * count) for error, count in zip(errors, counts, strict=True)]
    squares = [float(4 * error**2 * count) for error, count in zip(errors, counts, strict=True)]
    made["test"]["periods"] = {"every": every, "absolute": sums, "squared": squares, "count": list(counts)}
    updated = arm != "base"
    made["stream"] = {
        "every": every,
        "periods": len(errors),
        "updates": len(errors) * updated,
        "seconds_per_update": seconds if updated else None,
        "loss": [float(error / 2) for error in errors] if updated else [],
        "parameters_updated": {"base": 0, "finetune": 100}.get(arm, 500),
        **({"service_bytes": 75_000} if adapted else {}),
    }
    return made | ({"adapter_bytes": 25_340} if adapted else {})


def every_arm(backbone="LSTM", **settings):
    """Return a record per arm of one backbone."""
    return [stream_record(arm, backbone, **settings) for arm in ("base", "control", "wide", "plus", "finetune")]
