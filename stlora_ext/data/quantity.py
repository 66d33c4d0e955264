"""What a data set measures, and in which unit, for titles and axes."""

import json
from dataclasses import dataclass
from pathlib import Path

from stlora_ext.data.catalog import CATALOG


@dataclass(frozen=True)
class Quantity:
    """What is measured.

    Attributes:
        domain: In words, such as "traffic flow"; empty: unknown.
        unit: Of a reading, such as "mph"; empty: unknown.
    """

    domain: str = ""
    unit: str = ""

    def heading(self, dataset: str) -> str:
        """Return the data set's name with its domain."""
        return ", ".join(filter(None, (dataset, self.domain)))

    def axis(self, metric: str) -> str:
        """Return a metric with its unit; that of MAPE is percent."""
        return ", ".join(filter(None, (metric, "%" if metric == "MAPE" else self.unit)))

    @property
    def reading(self) -> str:
        """A reading with its unit."""
        return ", ".join(filter(None, (self.domain or "reading", self.unit)))


def quantity(dataset: str, folder: Path) -> Quantity:
    """Return what ``dataset`` measures: a known set's from the catalogue, another's as it was prepared with --domain.

    Args:
        dataset: Its name.
        folder: Folder of the prepared data sets, where it may be absent.
    """
    entry = CATALOG.get(dataset)
    if entry is not None:
        return Quantity(entry.domain, entry.unit)
    try:
        domain = json.loads((folder / dataset / "meta.json").read_text(encoding="utf-8"))["domain"]
    except (OSError, ValueError, KeyError, TypeError, RecursionError):
        return Quantity()
    return Quantity(domain) if isinstance(domain, str) and domain != "unknown" else Quantity()
