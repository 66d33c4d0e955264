"""A model's runs with different settings of its adapter, side by side, the best validation error first.

Protocols are never mixed, nor are settings whose backbones were trained in different ways.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from typing import Any, Optional

from stlora_ext.digits import number, with_spread
from stlora_ext.errors import UserError
from stlora_ext.fields import field_names
from stlora_ext.lora.predictor import STLoRAConfig
from stlora_ext.runs.key import RunKey
from stlora_ext.tables.pairs import base_of, pairs
from stlora_ext.tables.rows import Row, table_rows
from stlora_ext.tables.statistics import MeanStd, spread

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
    val: MeanStd
    test: MeanStd


@dataclass(frozen=True)
class Settings:
    """Settings that may be compared with each other.

    Attributes:
        model: Name of the model, with "+".
        protocol: ``joint`` or ``adapt``.
        base: The runs of the backbone alone under the same seeds; None where they aren't there.
        settings: The best validation error first.
    """

    model: str
    protocol: str
    base: Optional[Row]
    settings: tuple[Setting, ...]

    @property
    def base_val(self) -> Optional[MeanStd]:
        """Best validation MAE of the backbone alone."""
        return None if self.base is None else spread([best_validation(record) for record in self.base.records])


def by_setting(records: Iterable[dict[str, Any]], model: Optional[str] = None) -> list[Settings]:
    """Return the settings of the runs with adapter among ``records`` of one data set.

    Args:
        records: Records, those of the backbones alone among them.
        model: Only this model, named with "+"; None: all.
    """
    rows = table_rows(records, ())
    bases = [row for row in rows if row.arm == "base"]
    groups: dict[tuple[str, str, str], tuple[Optional[Row], list[Setting]]] = {}
    for row in rows:
        if row.arm == "base" or (model is not None and row.model != model):
            continue
        base = base_of(row, bases)
        key = (row.model, row.protocol, "" if base is None else base.config_hash)
        groups.setdefault(key, (base, []))[1].append(
            Setting(row, _label(row), row.records[0]["parameters"]["adapter"],
                    spread([best_validation(record) for record in row.records]),
                    spread([record["test"]["average"]["MAE"] for record in row.records])))
    return [Settings(name, protocol, _used(base, found),
                     tuple(sorted(found, key=lambda each: (each.val.mean, each.added))))
            for (name, protocol, _), (base, found) in sorted(groups.items(), key=lambda item: item[0])]


def _used(base: Optional[Row], settings: Sequence[Setting]) -> Optional[Row]:
    """Return the runs of ``base`` that have the seed of a setting's run."""
    if base is None:
        return None
    seeds = {before["key"]["seed"] for each in settings for before, _ in pairs(base, each.row)}
    return replace(base, records=tuple(record for record in base.records if record["key"]["seed"] in seeds))


def best_validation(record: dict[str, Any]) -> float:
    """Return the validation MAE of the epoch whose weights were kept.

    Raises:
        UserError: If the record tells of no validation.
    """
    errors = [entry["val"]["MAE"] for entry in record["training"]["history"] if "val" in entry]
    if not errors or None in errors:
        key = RunKey(**record["key"])
        raise UserError(f"record {key.path}.json tells of no validation: delete it and repeat the run")
    return min(errors)


def render_settings(groups: Sequence[Settings]) -> str:
    """Return a Markdown table per group, one row per setting."""
    return "\n".join(_table(group) for group in groups)


def _table(group: Settings) -> str:
    lines = [f"**{group.model}, {group.protocol}**", "", "| Adapter | Parameters | Seeds | Validation MAE | Test MAE |",
             "| --- | ---: | ---: | ---: | ---: |"]
    if group.base is not None:
        lines.append(f"| none: the backbone alone | 0 | {len(group.base.records)} | {_figure(group.base_val)} | "
                     f"{_figure(group.base.cell(None, 'MAE'))} |")
    lines += [f"| {each.label} | {each.added:,} | {len(each.row.records)} | {_figure(each.val)} | "
              f"{_figure(each.test)} |" for each in group.settings]
    return "\n".join(lines) + "\n"


def _label(row: Row) -> str:
    adapter = row.records[0]["configuration"]["adapter"]
    usual = {name: getattr(STLoRAConfig, name) for name in field_names(STLoRAConfig) if name not in _NOT_SHOWN}
    differing = {name: adapter[name] for name in usual if adapter.get(name, usual[name]) != usual[name]}
    if adapter["sharing"] != "embedding" or row.arm != "plus":
        differing.pop("num_embeddings", None)
    first = adapter["sharing"] if row.arm == "plus" else f"**{row.arm}**"
    return ", ".join([first, *(name if value is True else f"{name} {value}" for name, value in differing.items())])


def _figure(value: MeanStd) -> str:
    return number(value.mean, 3) if value.std is None else with_spread(value.mean, value.std, 3)
