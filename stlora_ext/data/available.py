"""The data set a config asks for: read its meta.json, or make it first if it is a simulated one."""

import subprocess
import sys
from pathlib import Path

from stlora_ext.data.catalog import CATALOG
from stlora_ext.data.prepared import Meta, load_meta
from stlora_ext.errors import UserError
from stlora_ext.folders import ROOT


def open_dataset(name: str, data_dir: Path) -> Meta:
    """Return the meta data of ``name``; a simulated set that isn't there is made first, saying so.

    Raises:
        UserError: If the data set is absent and has to be brought.
    """
    entry = CATALOG.get(name)
    if entry is not None and entry.kind == "simulated" and not (data_dir / name / "meta.json").exists():
        print(f"data set {name} is simulated and not there yet: making it (datasets/simulate.py {name})", flush=True)
        made = subprocess.run(
            [sys.executable, str(ROOT / "datasets" / "simulate.py"), name, "--data", str(data_dir)], check=False
        )
        if made.returncode:
            raise UserError(f"datasets/simulate.py {name} failed, see above")
    return load_meta(data_dir, name)
