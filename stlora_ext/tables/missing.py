"""The cells of a table that are missing: a seed that ran with an adapter but not without, or the other way round."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from stlora_ext.tables.pairs import Block, base_of
from stlora_ext.tables.rows import Row


@dataclass(frozen=True)
class Missing:
    """Runs that a table lacks.

    Attributes:
        model: Their model.
        protocol: Their protocol.
        arm: Their arm.
        seeds: Their seeds; empty: whichever its config says.
        like: The row whose settings they share: their own, or that of the base or "+" that they are to be paired with.
        base: Of a "+", its base, where it has one.
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


def missing(arranged: Sequence[Block]) -> list[Missing]:
    """Return what the blocks lack, in their order.

    In every block base and "+" have to have run under the same seeds. A base without any "+" is missed in the block of
    protocol ``joint`` and arm ``plus`` alone: the other blocks hold what was asked for.
    """
    gaps = []
    for block in arranged:
        bases = [row for row in block.rows if row.arm == "base"]
        adapted = [row for row in block.rows if row.arm != "base"]
        owners = [base_of(row, bases) for row in adapted]
        for base in bases:
            own = [row for row, owner in zip(adapted, owners, strict=True) if owner is base]
            if not own and block.protocol == "joint" and block.arm in (None, "plus"):
                protocol = "adapt" if base.protocol == "fitted" else "joint"
                gaps.append(
                    Missing(
                        f"{base.model}+", protocol, "plus", tuple(s for s in base.seeds if s is not None), base, base
                    )
                )
            for row in own:
                gaps += _unpaired(base, row)
        gaps += [
            Missing(
                row.model.removesuffix("+"),
                "fitted" if row.records[0].fitted_backbone else "joint",
                "base",
                tuple(s for s in row.seeds if s is not None),
                row,
            )
            for row, owner in zip(adapted, owners, strict=True)
            if owner is None
        ]
    return [gap for place, gap in enumerate(gaps) if gap not in gaps[:place]]


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
