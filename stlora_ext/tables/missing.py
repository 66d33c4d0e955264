"""The cells of a table that are missing: a seed that ran with an adapter but not without, or the other way round."""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

from stlora_ext.runs.record import Record
from stlora_ext.tables.new_sensors_pairs import NewSensors, Sensors, SplitRow, sensors_of, split_text
from stlora_ext.tables.pairs import Block, base_of
from stlora_ext.tables.rows import Row
from stlora_ext.tables.stream_pairs import Family


@dataclass(frozen=True)
class Missing:
    """Runs that a table lacks.

    Attributes:
        model: Their model.
        protocol: Their protocol.
        arm: Their arm.
        seeds: Their seeds; empty: whichever its config says.
        like: The row whose settings they share: their own, or that of the base or "+" that they are to be paired with.
        base: Of a "+", its base, where it has one; of protocol ``stream`` the run that trained the backbone.
        split: Of protocol ``new-sensors``, a run that set the same sensors aside.
    """

    model: str
    protocol: str
    arm: str
    seeds: tuple[int, ...]
    like: Row
    base: Row | None = None
    split: Record | None = None

    @property
    def title(self) -> str:
        """What is missing, in words."""
        seeds = f"seed{'s' * (len(self.seeds) > 1)} {' '.join(map(str, self.seeds))}" if self.seeds else "all seeds"
        split = "" if self.split is None else f", {split_text(self.split)}"
        return f"{self.model}, {self.protocol}, {self.arm}{split}: {seeds}"


def missing(
    arranged: Sequence[Block], families: Sequence[Family] = (), fresh: Sequence[NewSensors] = ()
) -> list[Missing]:
    """Return what blocks and families lack, in their order.

    In every block base and "+" have to have run under the same seeds. A base without any "+" is missed in the block of
    protocol ``joint`` and arm ``plus`` alone, and not where a stream, or the arm ``full`` of new sensors, went on from
    it: the other blocks hold what was asked for.
    """
    gaps = []
    others = [*(family.rows for family in families), *(family.of_arm("full") for family in fresh)]
    for block in arranged:
        bases = [row for row in block.rows if row.arm == "base"]
        adapted = [row for row in block.rows if row.arm != "base"]
        owners = [base_of(row, bases) for row in adapted]
        for base in bases:
            own = [row for row, owner in zip(adapted, owners, strict=True) if owner is base]
            alone = not own and not any(_trained(rows, base) for rows in others)
            if alone and block.protocol == "joint" and block.arm in (None, "plus"):
                protocol = "adapt" if base.protocol == "fitted" else "joint"
                gaps.append(Missing(f"{base.model}+", protocol, "plus", _seeds([base]), base, base))
            for row in own:
                gaps += _unpaired(base, row)
        gaps += [
            Missing(
                row.model.removesuffix("+"),
                "fitted" if row.records[0].fitted_backbone else "joint",
                "base",
                _seeds([row]),
                row,
            )
            for row, owner in zip(adapted, owners, strict=True)
            if owner is None
        ]
    static = [row for block in arranged for row in block.rows if row.arm == "base"]
    for family in families:
        gaps += _of_family(family, next((row for row in static if _trained(family.rows, row)), None))
    for group in fresh:
        gaps += _of_new_sensors(group)
    return [gap for place, gap in enumerate(gaps) if gap not in gaps[:place]]


def _of_family(family: Family, trained: Row | None) -> list[Missing]:
    """Return what a family of protocol ``stream`` lacks: base and "+", and in every row the seeds of the others."""
    first, model = family.rows[0], family.rows[0].model.removesuffix("+")
    # Where every seed went on from one named backbone, its base ran once.
    updated = [row for row in family.rows if row.arm != "base"]
    one_backbone = any((record.adapted_key or record.key).seed != record.key.seed for record in _records(updated))
    rows = updated if one_backbone else family.rows
    seeds = _seeds(rows)
    bases, plus, adapted = family.of_arm("base"), family.of_arm("plus"), family.of_arm("control", "wide")
    gaps = []
    if not bases:
        key = first.records[0].adapted_key
        without = key is not None and key.seed is None  # no seed changes the backbone
        gaps.append(Missing(model, "stream", "base", () if without else seeds, first, trained))
    for row in rows:
        lacking = () if row.deterministic else tuple(seed for seed in seeds if seed not in row.seeds)
        gaps += [Missing(row.model, "stream", row.arm, lacking, row, trained)] if lacking else []
    if not plus:
        like = next(iter([*adapted, *family.of_arm("finetune"), *bases]))
        gaps.append(Missing(f"{model}+", "stream", "plus", seeds, like, trained))
    return gaps


def _of_new_sensors(family: NewSensors) -> Iterator[Missing]:
    """Yield what a family of protocol ``new-sensors`` lacks: base and "+", and in every row the runs of the others."""
    runs: dict[Sensors, dict[int | None, Record]] = {}
    for record in _records(family.rows):
        runs.setdefault(sensors_of(record), {}).setdefault(record.key.seed, record)
    rows = {(row.arm, row.settings): row for row in family.rows}
    absent = [arm for arm in ("base", "plus") if not family.of_arm(arm)]
    adapted = [*family.of_arm("full"), *family.of_arm("control"), *family.rows]  # the first has most of what "+" has
    wanted: list[tuple[str, SplitRow, bool]] = [
        (arm, family.rows[0] if arm == "base" else adapted[0], True) for arm in absent
    ]
    wanted += [(row.arm, row, False) for row in rows.values()]
    for arm, row, new in wanted:
        for sensors, by_seed in runs.items():
            ran = set() if new else {record.key.seed for record in row.splits.get(sensors, ())}
            lacking = tuple(seed for seed in sorted(_numbered(by_seed)) if seed not in ran)
            if lacking:
                model = family.model + "+" * (arm != "base")
                yield Missing(model, "new-sensors", arm, lacking, row, split=next(iter(by_seed.values())))


def _trained(rows: Sequence[Row], base: Row) -> bool:
    """Whether runs went on from those of a base of another protocol."""
    own = base.records[0].key
    keys = [row.records[0].adapted_key for row in rows]
    return any(
        key is not None and (key.dataset, key.model, key.config_hash) == (own.dataset, own.model, own.config_hash)
        for key in keys
    )


def _records(rows: Iterable[Row]) -> list[Record]:
    return [record for row in rows for record in row.records]


def _seeds(rows: Iterable[Row]) -> tuple[int, ...]:
    return tuple(sorted({seed for row in rows for seed in row.seeds if seed is not None}))


def _unpaired(base: Row, plus: Row) -> list[Missing]:
    if base.deterministic:
        return []
    wanted = _numbered((record.adapted_key or record.key).seed for record in plus.records)
    absent = tuple(sorted(wanted - set(base.seeds)))
    lacking = [Missing(base.model, base.protocol, "base", absent, base)] if absent else []
    # Where every seed adapted one named backbone, its other seeds are no gap.
    one_backbone = any((record.adapted_key or record.key).seed != record.key.seed for record in plus.records)
    absent = () if one_backbone else tuple(sorted(_numbered(base.seeds) - set(plus.seeds)))
    return lacking + ([Missing(plus.model, plus.protocol, plus.arm, absent, plus, base)] if absent else [])


def _numbered(seeds: Iterable[int | None]) -> set[int]:
    return {seed for seed in seeds if seed is not None}
