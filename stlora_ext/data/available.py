"""The data set that is asked for: read its meta.json, or make it first if it is a simulated one."""

import subprocess
import sys
from difflib import get_close_matches
from pathlib import Path

from stlora_ext.data.catalog import CATALOG, how_to_get
from stlora_ext.data.prepared import Meta, load_meta
from stlora_ext.errors import UserError
from stlora_ext.folders import ROOT


def open_dataset(name: str, data_dir: Path) -> Meta:
    """Return the meta data of ``name``; a simulated set that isn't there is made first, saying so.

    Raises:
        UserError: If the data set is absent and has to be brought, with the nearest name if there is one.
    """
    entry = CATALOG.get(name)
    if entry is not None and entry.kind == "simulated" and not (data_dir / name / "meta.json").exists():
        print(f"data set {name} is simulated and not there yet: making it (datasets/simulate.py {name})", flush=True)
        made = subprocess.run(
            [sys.executable, str(ROOT / "datasets" / "simulate.py"), name, "--data", str(data_dir)], check=False
        )
        if made.returncode:
            raise UserError(f"datasets/simulate.py {name} failed, see above")
    if entry is None and not (data_dir / name / "meta.json").exists():
        lowered = {known.lower(): known for known in (*CATALOG, *prepared_sets(data_dir))}
        close = get_close_matches(name.lower(), lowered, n=1)
        meant = f"did you mean '{lowered[close[0]]}'? If not, " if close else ""
        raise UserError(f"data set '{name}' is not in {data_dir}: {meant}{how_to_get(name, data_dir)}")
    return load_meta(data_dir, name)


def prepared_sets(data_dir: Path) -> list[str]:
    """Return the names of the prepared data sets in a folder."""
    return sorted(path.parent.name for path in data_dir.glob("*/meta.json"))
