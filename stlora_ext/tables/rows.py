"""Records grouped into the rows of a table; what differs in data or configuration is never pooled."""

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from statistics import median
from typing import Any

from stlora_ext.errors import UserError
from stlora_ext.runs.record import Record
from stlora_ext.tables.statistics import MeanStd, spread

APART = ("stream", "new-sensors")  # protocols whose scores compare with nothing but each other's


@dataclass(frozen=True)
class Row:
    """All runs of one model under one configuration.

    Attributes:
        model: Name.
        protocol: ``fitted``, ``joint``, ``adapt``, ``stream`` or ``new-sensors``.
        arm: ``base``, ``plus``, ``control``, ``wide``, ``finetune`` or ``full``.
        config_hash: Hash of the configuration.
        records: Its records, by seed.
    """

    model: str
    protocol: str
    arm: str
    config_hash: str
    records: tuple[Record, ...]

    @property
    def deterministic(self) -> bool:
        """Whether no seed changes the result."""
        return self.records[0].key.seed is None

    @property
    def seeds(self) -> tuple[int | None, ...]:
        """The seeds that ran."""
        return tuple(record.key.seed for record in self.records)

    @property
    def seconds_per_update(self) -> float | None:
        """Median over the runs; None but for protocol ``stream``, and where nothing was updated."""
        streams = [record.stream for record in self.records if record.stream is not None]
        known = [stream.seconds_per_update for stream in streams if stream.seconds_per_update is not None]
        return median(known) if known else None

    def cell(self, horizon: int | None, metric: str) -> MeanStd:
        """Return a score at ``horizon`` steps, or on average (None)."""
        return spread([score(record, horizon, metric) for record in self.records], self.deterministic)


def score(record: Record, horizon: int | None, metric: str) -> float | None:
    """Return a record's score at ``horizon`` steps, or on average (None); None where it has none."""
    scores = record.scores
    if horizon is not None and horizon > len(scores.horizons):
        return None
    return (scores.average if horizon is None else scores.horizons[horizon - 1])[metric]


def lengths(record: Record) -> tuple[int | None, int]:
    """Return the input steps of a record's windows, None where it doesn't tell, and their forecast steps."""
    return record.configuration.training.get("input_len"), len(record.scores.horizons)


def steps_text(record: Record) -> str:
    """Return the lengths of a record's windows in words."""
    input_len, output_len = lengths(record)
    return f"{input_len or 'unknown'} steps in, {output_len} out"


def by_data(records: Iterable[Record]) -> dict[str, list[Record]]:
    """Group records by the fingerprint of their data, their null value and the lengths of their windows.

    Windows of 12 and 24 steps and of 24 and 12 cut the same arrays. A group's name tells, after its fingerprint, null
    value and lengths, each where it differs.
    """
    groups = defaultdict(list)
    for record in records:
        groups[record.data.fingerprint, record.data.null_val, steps_text(record)].append(record)
    several = len({steps for _, _, steps in groups}) > 1
    named = {}
    for (fingerprint, null, steps), group in groups.items():
        nulls = {other for same, other, _ in groups if same == fingerprint}
        apart = [f"null value {null}"] * (len(nulls) > 1) + [steps] * several
        named[fingerprint + (f" with {', '.join(apart)}" if apart else "")] = group
    return named


def table_rows(records: Iterable[Record], order: Sequence[str]) -> list[Row]:
    """Group records of one data set into rows, models in ``order`` first.

    Raises:
        UserError: If a run is there twice.
    """
    groups = defaultdict(list)
    for record in records:
        key = record.key
        groups[key.model, key.protocol, key.arm, key.config_hash].append(record)
    for group in groups.values():
        seeds = [record.key.seed for record in group]
        twice = next((record.key for record in group if seeds.count(record.key.seed) > 1), None)
        if twice is not None:
            raise UserError(
                f"two records are of the same run, {twice.path}: a seed counts once; delete the "
                "copy, or keep it apart with --results DIR"
            )
    rank = {model: index for index, model in enumerate(order)}
    rows = [
        Row(*key, tuple(sorted(group, key=lambda r: (r.key.seed is not None, r.key.seed))))
        for key, group in groups.items()
    ]
    return sorted(
        rows, key=lambda row: (rank.get(row.model, len(rank)), row.model, row.protocol, row.arm, row.config_hash)
    )


def static_rows(rows: Iterable[Row]) -> list[Row]:
    """Return the rows whose whole test set was forecast by one model: those of no protocol of ``APART``."""
    return [row for row in rows if row.protocol not in APART]


def of_protocol(rows: Iterable[Row], protocol: str) -> list[Row]:
    """Return the rows of one protocol."""
    return [row for row in rows if row.protocol == protocol]


def equal_seeds(rows: Iterable[Row]) -> bool:
    """Return whether rows ran under the same seeds, but for those that no seed changes."""
    return len({frozenset(row.seeds) for row in rows if not row.deterministic}) < 2


def common_seeds(rows: Iterable[Row]) -> set[int | None]:
    """Return the seeds under which all rows ran, but for those that no seed changes."""
    seeded = [set(row.seeds) for row in rows if not row.deterministic]
    return set.intersection(*seeded) if seeded else set()


def of_common_seeds(rows: Sequence[Row]) -> list[Row]:
    """Return rows with the runs of the seeds that all of them have; the rows as they are where there is none.

    A row that no seed changes stays as it is.
    """
    common = common_seeds(rows)
    return [
        replace(row, records=tuple(record for record in row.records if record.key.seed in common))
        if common and not row.deterministic
        else row
        for row in rows
    ]


def differences(rows: Sequence[Row]) -> dict[str, list[Any]]:
    """Return the settings in which ``rows`` differ, by dotted name, one value per row."""
    flat = [_flat(row.records[0].configuration.as_dict()) for row in rows]
    names = sorted(set().union(*flat))
    return {name: [f.get(name) for f in flat] for name in names if any(f.get(name) != flat[0].get(name) for f in flat)}


def _flat(values: Mapping[str, Any], prefix: str = "") -> dict[str, Any]:
    result = {}
    for key, value in values.items():
        if isinstance(value, dict):
            result.update(_flat(value, f"{prefix}{key}."))
        else:
            result[f"{prefix}{key}"] = value
    return result
