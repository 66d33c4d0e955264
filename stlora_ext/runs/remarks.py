"""What a user should know of a finished run that isn't repeated."""

from pathlib import Path

from stlora_ext.numerics import NUMERICS
from stlora_ext.runs.record import Record
from stlora_ext.runs.replacement import REPEAT
from stlora_ext.runs.store import find_record


def remarks(record: Record, results: Path) -> list[str]:
    """Say where a record under ``results`` isn't what its command would give now, and where a repetition is unfinished.

    Raises:
        UserError: If the record of the backbone that it adapted is damaged.
    """
    texts = []
    numerics = record.provenance.numerics
    if numerics != NUMERICS:
        texts.append(
            f"this version's arithmetic differs from that of the record (NUMERICS {NUMERICS}, record "
            f"{numerics}): a repetition gives other scores; --force repeats it"
        )
    adapted = record.adapted
    if adapted is not None and adapted.key is not None:
        base = find_record(adapted.key, results)
        if base is not None and base.weights not in (None, adapted.weights):
            texts.append(
                f"its backbone {adapted.key.path} was repeated since and has other weights: --force adapts those"
            )
    if (results / record.key.path / REPEAT).is_dir():
        texts.append("a repetition of it was interrupted: --force goes on with that")
    return texts
