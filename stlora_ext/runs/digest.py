"""SHA-256 of a record, part by part: its checkpoint holds them, so that an edit of either of the two shows."""

import hashlib
import json
from collections.abc import Mapping
from typing import Any


def part_digests(record: Mapping[str, Any]) -> dict[str, str]:
    """Return the SHA-256 of each part of a record but for its format, by the part's name."""
    return {
        name: hashlib.sha256(json.dumps(part, sort_keys=True, ensure_ascii=False).encode()).hexdigest()
        for name, part in record.items()
        if name != "format"
    }
