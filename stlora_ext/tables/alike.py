"""Whether the two runs of a pair were computed alike: where they weren't, part of their difference may come from that.

Marks: "‡" where they differ in the arithmetic, the hardware, torch, the threads, --compile, the processes or parts
that a batch was cut for, or the backbone's weights, "§" where their records don't tell whether they share the backbone.
"""

from collections.abc import Sequence

from stlora_ext.runs.record import Record
from stlora_ext.tables.pairs import Comparison, name
from stlora_ext.tables.rows import APART

UNLIKE, UNKNOWN = "‡", "§"
_BACKBONE = "the backbone's weights"


def unlike(comparison: Comparison) -> list[str]:
    """Return in what the runs of some pair differ, such as ``hardware CPU, GPU``; the values of all pairs together."""
    differing: dict[str, dict[str, None]] = {}
    for pair in comparison.pairs:
        one, other = map(_conditions, pair)
        for condition in one:
            if one[condition] != other[condition]:
                differing.setdefault(condition, {}).update(dict.fromkeys((*one[condition], *other[condition])))
    texts = [f"{condition} {', '.join(sorted(values))}" for condition, values in differing.items()]
    return texts + [_BACKBONE] * any(_same_backbone(comparison, *pair) is False for pair in comparison.pairs)


def backbone_unknown(comparison: Comparison) -> bool:
    """Whether a pair's records don't tell if both runs used one backbone."""
    return any(_same_backbone(comparison, *pair) is None for pair in comparison.pairs)


def mark(comparison: Comparison) -> str:
    """Return the signs that a comparison bears; "" where its runs were computed alike."""
    return UNLIKE * bool(unlike(comparison)) + UNKNOWN * backbone_unknown(comparison)


def marked(label: str, comparison: Comparison) -> str:
    """Return ``label`` with the sign of the comparison."""
    return " ".join(filter(None, (label, mark(comparison))))


def notes_on(comparisons: Sequence[Comparison]) -> list[str]:
    """Return the notes that explain the signs of ``comparisons``; none where none bears one."""
    unequal: dict[str, list[str]] = {}
    for comparison in comparisons:
        if unlike(comparison):
            unequal.setdefault("; ".join(unlike(comparison)), []).append(title_of(comparison))
    unknown = [title_of(comparison) for comparison in comparisons if backbone_unknown(comparison)]
    texts = []
    if unequal:
        listed = ". ".join(f"{_listed(titles)}: {text}" for text, titles in unequal.items())
        texts.append(f"{UNLIKE} The runs of a pair were not computed alike, so part of Δ may come from that. {listed}.")
    if unknown:
        texts.append(
            f"{UNKNOWN} The records don't tell whether both runs of a pair used the same weights of the "
            f"backbone: {_listed(unknown)}."
        )
    return texts


def _listed(titles: Sequence[str]) -> str:
    return ", ".join(dict.fromkeys(titles))


def title_of(comparison: Comparison) -> str:
    """Return what a note calls a comparison."""
    minus = "" if comparison.base.arm == "base" else f" minus {comparison.base.arm}"
    return f"{name(comparison.plus)} {comparison.plus.protocol}{minus}"


def _conditions(record: Record) -> dict[str, tuple[str, ...]]:
    values = [
        {
            "NUMERICS": process.numerics,
            "hardware": process.hardware,
            "torch": str(process.versions.get("torch")).partition("+")[0],
            "threads": process.threads,
            "--compile": "on" if process.compiled else "off",
            "processes": process.data_parallel,
            "--parts": process.parts,
        }
        for process in record.processes
    ]
    return {name: tuple(sorted({str(value[name]) for value in values})) for name in values[0]}


def _same_backbone(comparison: Comparison, one: Record, other: Record) -> bool | None:
    """Whether an adapted run and the run it is paired with used one backbone; None where the records don't tell."""
    if comparison.plus.protocol not in ("adapt", *APART):
        return True
    trained = comparison.base.protocol in ("joint", "fitted") or (comparison.base.protocol, comparison.base.arm) == (
        "new-sensors",
        "base",
    )
    first = one.weights if trained else one.adapted_weights
    second = other.adapted_weights
    return None if first is None or second is None else first == second
