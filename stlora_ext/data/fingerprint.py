"""The fingerprint of a prepared data set, computed from what is read."""

from pathlib import Path

from stlora_ext.data.plain_arrays import load_npz
from stlora_ext.data.prepared import SPLITS, Meta, load_split, made_again
from stlora_ext.errors import UserError
from stlora_ext.fingerprint import fingerprint

GRAPH = "graph.npz"
_computed: dict[tuple, str] = {}  # by the files' states, so that a process reads them once


def read_fingerprint(root: Path, meta: Meta) -> str:
    """Return the fingerprint of the prepared arrays that lie under ``root`` now, once a process.

    Raises:
        UserError: If a file is absent or damaged.
    """
    folder = root / meta.name
    names = [f"{split}_{kind}.npy" for split in SPLITS for kind in ("data", "timestamps")] + [GRAPH] * meta.has_graph
    try:
        state = tuple(
            (str(folder / name), stat.st_size, stat.st_mtime_ns, stat.st_ino)
            for name in names
            for stat in [(folder / name).stat()]
        )
    except FileNotFoundError as error:
        raise UserError(f"{error.filename} cannot be read ({error.strerror}): {made_again(root, meta.name)}") from None
    if state not in _computed:
        arrays = {}
        for split in SPLITS:
            arrays[f"{split}_data"], arrays[f"{split}_timestamps"] = load_split(root, meta, split, memmap=True)
        if meta.has_graph:
            try:
                arrays |= {f"graph/{name}": array for name, array in load_npz(folder / GRAPH).items()}
            except (OSError, ValueError) as error:
                raise UserError(
                    f"the graph {folder / GRAPH} cannot be read ({error}): {made_again(root, meta.name)}"
                ) from None
        _computed[state] = fingerprint(arrays)
    return _computed[state]


def refuse_changed_data(root: Path, meta: Meta) -> None:
    """Refuse a prepared data set whose arrays or graph aren't those that its meta.json names.

    Raises:
        UserError: If they aren't, or a file is absent or damaged.
    """
    found = read_fingerprint(root, meta)
    if found != meta.fingerprint:
        raise UserError(
            f"the arrays in {root / meta.name} are not those that were prepared (they are {found[:19]}, "
            f"meta.json says {meta.fingerprint[:19]}): {made_again(root, meta.name)}"
        )
