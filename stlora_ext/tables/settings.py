"""A model's runs with different settings of its adapter, side by side, the best validation error first."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

from stlora_ext.lora.predictor import STLoRAConfig
from stlora_ext.settings import field_names
from stlora_ext.tables.rows import Row, table_rows
from stlora_ext.tables.statistics import Spread, spread

_NOT_SHOWN = ("input_len", "output_len", "sharing")


@dataclass(frozen=True)
class Setting:
    """One setting's runs.

    Attributes:
        row: The runs.
        label: The arm, where it isn't plus, or the sharing; and what differs from the default settings.
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
    settings = [Setting(row, _label(row), row.records[0]["parameters"]["adapter"],
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


def _label(row: Row) -> str:
    adapter = row.records[0]["configuration"]["adapter"]
    usual = {name: getattr(STLoRAConfig, name) for name in field_names(STLoRAConfig) if name not in _NOT_SHOWN}
    differing = {name: adapter[name] for name in usual if adapter.get(name, usual[name]) != usual[name]}
    if adapter["sharing"] != "embedding" or row.arm != "plus":
        differing.pop("num_embeddings", None)
    first = adapter["sharing"] if row.arm == "plus" else f"**{row.arm}**"
    return ", ".join([first, *(name if value is True else f"{name} {value}" for name, value in differing.items())])


def _figure(value: Spread) -> str:
    return f"{value.mean:.3f}" + (f" ± {value.std:.3f}" if value.std is not None else "")
