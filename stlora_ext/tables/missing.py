"""The cells of a table that are missing: a seed that ran with an adapter but not without, or the other way round."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

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
    """

    model: str
    protocol: str
    arm: str
    seeds: tuple[int, ...]
    like: Row
    base: Row | None = None

    @property
    def title(self) -> str:
        """What is missing, in words."""
        seeds = f"seed{'s' * (len(self.seeds) > 1)} {' '.join(map(str, self.seeds))}" if self.seeds else "all seeds"
        return f"{self.model}, {self.protocol}, {self.arm}: {seeds}"


def missing(arranged: Sequence[Block], families: Sequence[Family] = ()) -> list[Missing]:
    """Return what blocks and families lack, in their order.

    In every block base and "+" have to have run under the same seeds. A base without any "+" is missed in the block of
    protocol ``joint`` and arm ``plus`` alone, and not where a stream went on from it: the other blocks hold what was
    asked for.
    """
    gaps = []
    for block in arranged:
        bases = [row for row in block.rows if row.arm == "base"]
        adapted = [row for row in block.rows if row.arm != "base"]
        owners = [base_of(row, bases) for row in adapted]
        for base in bases:
            own = [row for row, owner in zip(adapted, owners, strict=True) if owner is base]
            alone = not own and not any(_trained(family, base) for family in families)
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
        gaps += _of_family(family, next((row for row in static if _trained(family, row)), None))
    return [gap for place, gap in enumerate(gaps) if gap not in gaps[:place]]


def _of_family(family: Family, trained: Row | None) -> list[Missing]:
    """Return what a family of protocol ``stream`` lacks: base and "+", and in every row the seeds of the others."""
    first, seeds = family.rows[0], _seeds(family.rows)
    model = first.model.removesuffix("+")
    bases, plus, adapted = family.of_arm("base"), family.of_arm("plus"), family.of_arm("control", "wide")
    gaps = []
    if not bases:
        key = first.records[0].adapted_key
        without = key is not None and key.seed is None  # no seed changes the backbone
        gaps.append(Missing(model, "stream", "base", () if without else seeds, first, trained))
    for row in family.rows:
        lacking = () if row.deterministic else tuple(seed for seed in seeds if seed not in row.seeds)
        gaps += [Missing(row.model, "stream", row.arm, lacking, row, trained)] if lacking else []
    if not plus:
        like = next(iter([*adapted, *family.of_arm("finetune"), *bases]))
        gaps.append(Missing(f"{model}+", "stream", "plus", seeds, like, trained))
    return gaps


def _trained(family: Family, base: Row) -> bool:
    """Whether the runs of a family went on from those of a base of another protocol."""
    key, own = family.rows[0].records[0].adapted_key, base.records[0].key
    return key is not None and (key.dataset, key.model, key.config_hash) == (own.dataset, own.model, own.config_hash)


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
