"""What a user should know of a finished run that isn't repeated."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from stlora_ext.numerics import NUMERICS
from stlora_ext.runs.key import RunKey, checked_key
from stlora_ext.runs.replacement import REPEAT
from stlora_ext.runs.store import find_record


def remarks(record: Mapping[str, Any], results: Path) -> list[str]:
    """Say where a record under ``results`` isn't what its command would give now, and where a repetition is unfinished.

    Raises:
        UserError: If the record of the backbone that it adapted is damaged.
    """
    found = []
    numerics = record["provenance"].get("numerics", 0)
    if numerics != NUMERICS:
        found.append(
            f"this version's arithmetic differs from that of the record (NUMERICS {NUMERICS}, record "
            f"{numerics}): a repetition gives other scores; --force repeats it"
        )
    trained = record.get("trained_backbone") or {}
    if trained.get("key") is not None:
        base = find_record(checked_key(trained["key"]), results)
        if base is not None and base.get("weights") not in (None, trained.get("weights")):
            found.append(
                f"its backbone {RunKey(**trained['key']).path} was repeated since and has other weights: "
                "--force adapts those"
            )
    if (results / RunKey(**record["key"]).path / REPEAT).is_dir():
        found.append("a repetition of it was interrupted: --force goes on with that")
    return found
