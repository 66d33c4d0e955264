"""A model's runs with different settings of its adapter, side by side, the best validation error first.

Protocols are never mixed, nor are settings whose backbones were trained in different ways.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace

from stlora_ext.digits import number, with_spread
from stlora_ext.errors import UserError
from stlora_ext.fields import field_names
from stlora_ext.lora.settings import STLoRAConfig
from stlora_ext.runs.record import Record
from stlora_ext.tables.pairs import base_of, pairs
from stlora_ext.tables.rows import APART, Row, table_rows
from stlora_ext.tables.statistics import MeanStd, spread
from stlora_ext.tables.table import Cell, Column, Grid, Table

FIELDS = (
    "model",
    "protocol",
    "arm",
    "config_hash",
    "adapter",
    "parameters",
    "seeds",
    "val_mae",
    "val_std",
    "test_mae",
    "test_std",
)
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
    base: Row | None
    settings: tuple[Setting, ...]

    @property
    def base_val(self) -> MeanStd | None:
        """Best validation MAE of the backbone alone."""
        return None if self.base is None else spread([best_validation(record) for record in self.base.records])


def by_setting(records: Iterable[Record], model: str | None = None) -> list[Settings]:
    """Return the settings of the runs with adapter among ``records`` of one data set.

    Runs of protocols ``stream``, which has no validation error, and ``new-sensors``, whose validation error is that of
    the known sensors, are left out.

    Args:
        records: Records, those of the backbones alone among them.
        model: Only this model, named with "+"; None: all.
    """
    rows = table_rows([record for record in records if record.key.protocol not in APART], ())
    bases = [row for row in rows if row.arm == "base"]
    groups: dict[tuple[str, str, str], tuple[Row | None, list[Setting]]] = {}
    for row in rows:
        if row.arm == "base" or (model is not None and row.model != model):
            continue
        base = base_of(row, bases)
        key = (row.model, row.protocol, "" if base is None else base.config_hash)
        groups.setdefault(key, (base, []))[1].append(
            Setting(
                row,
                _label(row),
                row.records[0].parameters.adapter,
                spread([best_validation(record) for record in row.records]),
                spread([record.scores.average["MAE"] for record in row.records]),
            )
        )
    return [
        Settings(
            name,
            protocol,
            _used(base, settings),
            tuple(sorted(settings, key=lambda setting: (setting.val.mean, setting.added))),
        )
        for (name, protocol, _), (base, settings) in sorted(groups.items(), key=lambda item: item[0])
    ]


def _used(base: Row | None, settings: Sequence[Setting]) -> Row | None:
    """Return the runs of ``base`` that have the seed of a setting's run."""
    if base is None:
        return None
    seeds = {before.key.seed for each in settings for before, _ in pairs(base, each.row)}
    return replace(base, records=tuple(record for record in base.records if record.key.seed in seeds))


def best_validation(record: Record) -> float:
    """Return the validation MAE of the epoch whose weights were kept.

    Raises:
        UserError: If the record tells of no validation.
    """
    errors = [entry["val"]["MAE"] for entry in record.training.history if "val" in entry]
    if not errors or None in errors:
        raise UserError(f"record {record.key.path}.json tells of no validation: delete it and repeat the run")
    return min(errors)


def settings_tables(groups: Sequence[Settings]) -> list[Table]:
    """Return a table per group, one row per setting."""
    return [_table(group) for group in groups]


def _table(group: Settings) -> Table:
    rows = [(setting.label, setting.added, setting.row, setting.val, setting.test) for setting in group.settings]
    base_val = group.base_val
    if group.base is not None and base_val is not None:
        rows.insert(0, ("none: the backbone alone", 0, group.base, base_val, group.base.cell(None, "MAE")))
    columns = (Column("Adapter", kind="name"), *map(Column, ("Parameters", "Seeds", "Validation MAE", "Test MAE")))
    cells = tuple(
        (
            Cell(label, "name"),
            Cell(f"{added:,}"),
            Cell(str(len(row.records))),
            Cell(score_text(val)),
            Cell(score_text(test)),
        )
        for label, added, row, val, test in rows
    )
    return Table(
        f"{group.model}, {group.protocol}",
        grids=(Grid("", columns, cells),),
        fields=FIELDS,
        numbers=tuple(
            {
                "model": group.model,
                "protocol": group.protocol,
                "arm": row.arm,
                "config_hash": row.config_hash,
                "adapter": label,
                "parameters": added,
                "seeds": len(row.records),
                "val_mae": val.mean,
                "val_std": val.std,
                "test_mae": test.mean,
                "test_std": test.std,
            }
            for label, added, row, val, test in rows
        ),
    )


def _label(row: Row) -> str:
    adapter = row.records[0].configuration.adapter
    usual = {name: getattr(STLoRAConfig, name) for name in field_names(STLoRAConfig) if name not in _NOT_SHOWN}
    differing = {name: adapter[name] for name in usual if adapter.get(name, usual[name]) != usual[name]}
    if adapter["sharing"] != "embedding" or row.arm != "plus":
        differing.pop("num_embeddings", None)
    first = adapter["sharing"] if row.arm == "plus" else row.arm
    return ", ".join([first, *(name if value is True else f"{name} {value}" for name, value in differing.items())])


def score_text(value: MeanStd) -> str:
    """Return a mean and its deviation with three decimals at least, "n/a" without a score."""
    if value.mean is None or value.std is None:
        return number(value.mean, 3)
    return with_spread(value.mean, value.std, 3)
