"""What a record says of its data, and whether a data set at hand is the same."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from stlora_ext.data.prepared import Meta
from stlora_ext.errors import UserError
from stlora_ext.runs.record import Record


def data_part(meta: Meta) -> dict[str, Any]:
    """Return what a record holds of its data set."""
    return {
        "fingerprint": meta.fingerprint,
        "num_steps": meta.num_steps,
        "num_nodes": meta.num_nodes,
        "interval": meta.interval,
        "start": meta.start,
        "null_val": None if meta.null_val != meta.null_val else meta.null_val,
        "windows": dict(meta.windows),
    }


def data_difference(recorded: Mapping[str, Any], meta: Meta) -> str | None:
    """Compare what a record says of its data with a data set; what the record doesn't hold isn't compared.

    Returns:
        str, optional: The first part that differs, with both values; None where none does. A record without a
        fingerprint differs.
    """
    here = data_part(meta)
    for name in ("fingerprint", *(name for name in here if name in recorded)):
        if recorded.get(name) != here[name]:
            return f"{name.replace('null_val', 'null value')} {_short(recorded.get(name))}, now {_short(here[name])}"
    return None


def refuse_other_data(recorded: Mapping[str, Any], meta: Meta, source: str, remedy: str) -> None:
    """Refuse a data set that isn't the one behind a result.

    Args:
        recorded: What the result says of its data: at least ``fingerprint``.
        meta: The data set at hand.
        source: What the result is, for messages.
        remedy: What to do, for messages.

    Raises:
        UserError: If they differ.
    """
    difference = data_difference(recorded, meta)
    if difference is not None:
        raise UserError(f"{source} is of other data than {meta.name} holds now ({difference}): {remedy}")


def refuse_record_of_other_data(record: Record, meta: Meta, results: Path) -> None:
    """Refuse a data set that isn't the one behind a record under ``results``.

    Raises:
        UserError: If they differ.
    """
    refuse_other_data(
        record.data.given,
        meta,
        f"record {record.key.record_path(results)}",
        "keep them apart with --results DIR, or replace the record with --force",
    )


def _short(value: Any) -> str:
    return value[:19] if isinstance(value, str) else "none" if value is None else str(value)
