"""Synthetic records of protocol ``new-sensors``."""

from dataclasses import asdict

from stlora_ext.config.new_sensors import NewSensorsSettings
from tests.support.table_records import record

SENSORS = {0: [0, 4], 1: [2, 3], 2: [1, 5], 3: [0, 1]}


def scores(mae):
    """Return scores whose average is MAE ``mae``, RMSE 2 ``mae``, MAPE ``mae`` / 2; step h has MAE ``mae`` + h."""
    average = {"MAE": mae, "RMSE": 2 * mae, "MAPE": mae / 2}
    return {"average": average, "horizons": [{**average, "MAE": mae + step} for step in range(1, 13)]}


def new_sensors(
    arm="base", split=0, seed=0, mae=20.0, days=(0.0, 1.0, 3.0), backbone="LSTM", adapter=None, lr=0.001, **settings
):
    """Return a record; ``mae`` of the arm ``plus`` is a score per number of days, the last one of all days."""
    usual = NewSensorsSettings(split=split, **settings)
    usual = NewSensorsSettings(split=split, days=days, **settings) if arm == "plus" else usual
    adapted = arm != "base"
    adapter = {"sharing": "embedding", **(adapter or {})} if adapted else {}
    parts = "".join(f"{name}{value}" for name, value in (adapter | settings).items())
    of_arm = f"{backbone}{lr}{split}{''.join(map(str, settings.values()))}"
    key = {
        "dataset": "D",
        "model": backbone,
        "protocol": "joint" if arm == "full" else "new-sensors",
        "arm": "base",
        "config_hash": "all" if arm == "full" else of_arm,
        "seed": seed,
    }
    made = record(
        backbone + "+" * adapted,
        seed,
        protocol="new-sensors",
        arm={"full": "plus"}.get(arm, arm),
        config_hash=f"{arm}{of_arm}{parts}" if adapted else of_arm,
        num_nodes=6,
        lr=lr,
        backbone=key if adapted else None,
    )
    made["key"]["arm"] = arm
    if adapted:
        made["configuration"]["adapter"] = adapter
    made["configuration"]["new_sensors"] = asdict(usual) | {"days": list(usual.days), "names": list(usual.names)}
    fitted = [*days, None] if arm == "plus" else [None]
    errors = mae if arm == "plus" else [mae]
    fits = [
        {"days": number, "ridge": 0.1 if arm == "plus" and number != 0 else None, "test": scores(error)}
        for number, error in zip(fitted, errors, strict=True)
    ]
    made["new_sensors"] = {"sensors": SENSORS[split], "fits": fits}
    made["test"] = fits[-1]["test"]
    return made


def every_arm(splits=(0, 1), seeds=(0, 1), **settings):
    """Return a record of every arm for each split and seed: "+" reaches 0, 25, 75 and 100 % of full's gain.

    The base has 30 + 10 split + seed, the control 4 less, full 8 less than the control.
    """
    made = []
    for split in splits:
        for seed in seeds:
            base = 30.0 + 10 * split + seed
            control = base - 4
            errors = {"base": base, "control": control, "full": control - 8}
            made += [new_sensors(arm, split, seed, mae, **settings) for arm, mae in errors.items()]
            made.append(new_sensors("plus", split, seed, [control, control - 2, control - 6, control - 8], **settings))
    return made
