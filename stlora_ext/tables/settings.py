"""A model's runs with different settings of its adapter, side by side, the best validation error first."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

from stlora_ext.lora.predictor import STLoRAConfig
from stlora_ext.settings import field_names
from stlora_ext.tables.rows import Row, table_rows
from stlora_ext.tables.statistics import Spread, spread

_LENGTHS = ("input_len", "output_len")


@dataclass(frozen=True)
class Setting:
    """One setting's runs.

    Attributes:
        row: The runs.
        label: The arm, where it isn't plus, and the settings.
        added: Parameters of the adapter.
        val: Best validation MAE.
        test: Test MAE, average over the horizon.
    """

    row: Row
    label: str
    added: int
    val: Spread
    test: Spread


def by_setting(records: Iterable[dict[str, Any]]) -> list[Setting]:
    """Return the settings of the runs with adapter among ``records``, the best validation error first."""
    rows = [row for row in table_rows(records, ()) if row.arm != "base"]
    varying = _varying([row.records[0]["configuration"]["adapter"] for row in rows])
    settings = [Setting(row, _label(row, varying), row.records[0]["parameters"]["adapter"],
                        spread([best_validation(record) for record in row.records]),
                        spread([record["test"]["average"]["MAE"] for record in row.records])) for row in rows]
    return sorted(settings, key=lambda setting: (setting.val.mean, setting.added))


def best_validation(record: dict[str, Any]) -> float:
    """Return the validation MAE of the epoch whose weights were kept."""
    return min(entry["val"]["MAE"] for entry in record["training"]["history"] if "val" in entry)


def render_settings(records: Sequence[dict[str, Any]]) -> str:
    """Return a Markdown table of ``records``, one row per setting."""
    lines = ["| Adapter | Parameters | Seeds | Validation MAE | Test MAE |", "| --- | ---: | ---: | ---: | ---: |"]
    for model in sorted({record["key"]["model"] for record in records}):
        for setting in by_setting(record for record in records if record["key"]["model"] == model):
            lines.append(f"| {model}, {setting.row.protocol}: {setting.label} | {setting.added:,} | "
                         f"{len(setting.row.records)} | {_figure(setting.val)} | {_figure(setting.test)} |")
    return "\n".join(lines) + "\n"


def _varying(adapters: Sequence[dict[str, Any]]) -> list[str]:
    filled = [{name: adapter.get(name, getattr(STLoRAConfig, name)) for name in field_names(STLoRAConfig)}
              for adapter in adapters]
    return [name for name in field_names(STLoRAConfig)
            if name not in _LENGTHS and len({adapter[name] for adapter in filled}) > 1]


def _label(row: Row, varying: Sequence[str]) -> str:
    adapter = row.records[0]["configuration"]["adapter"]
    values = {name: adapter.get(name, getattr(STLoRAConfig, name)) for name in varying}
    if values.get("sharing") != "embedding":
        values.pop("num_embeddings", None)
    shown = ", ".join(name if value is True else f"{name} {value}" for name, value in values.items()
                      if value is not False)
    return shown if row.arm == "plus" else f"**{row.arm}**"


def _figure(value: Spread) -> str:
    return f"{value.mean:.3f}" + (f" ± {value.std:.3f}" if value.std is not None else "")
