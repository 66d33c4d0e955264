"""Lists of edges in text: the usual headers, LibCity's .rel, or no header."""

from pathlib import Path

import numpy as np

from stlora_ext.errors import UserError
from stlora_ext.preparation.cells import Cells, number
from stlora_ext.preparation.links import Links
from stlora_ext.preparation.node_names import match_nodes, some
from stlora_ext.spreadsheet import plain_text

_ENDS = (
    ("from", "to"),
    ("source", "target"),
    ("origin", "destination"),
    ("origin_id", "destination_id"),
    ("from_id", "to_id"),
    ("source_id", "target_id"),
    ("src", "dst"),
)
_KINDS = {
    **dict.fromkeys(("cost", "distance", "dist", "length"), "distance"),
    **dict.fromkeys(("weight", "weights", "link_weight"), "weight"),
}
_ROW_LABELS = ("", "index", "rel_id", "type", "unnamed: 0")  # of pandas and LibCity: they say nothing of the edge


def has_edge_header(cells: Cells) -> bool:
    """Tell whether the first row names the two ends of an edge."""
    return bool(cells.rows) and _ends(_header(cells)) is not None


def read_edges(
    path: Path, cells: Cells, num_nodes: int, sensor_ids: list[str] | None, subset: bool, bare: bool = False
) -> Links:
    """Read a list of edges.

    Args:
        path: Where the cells are from.
        cells: The file's.
        num_nodes: Columns of the data.
        sensor_ids: Their names, if they have any.
        subset: Whether edges of sensors that the data lack are left out.
        bare: Whether there is no header: from, to, and a number or none.

    Raises:
        UserError: If a row is no edge, or names a sensor that the data lack.
    """
    origin = path.name
    header = ["from", "to", "unnamed"][: len(cells.rows[0])] if bare else _header(cells)
    rows = cells.rows if bare else cells.rows[1:]
    place = _ends(header)
    assert place is not None
    kinds = {
        index: "unnamed" if bare else _KINDS.get(name, name)
        for index, name in enumerate(header)
        if index not in place and name not in _ROW_LABELS
    }
    if len(set(kinds.values())) < len(kinds) or not set(kinds.values()) <= {"weight", "distance", "unnamed"}:
        raise UserError(
            f"{origin} has the columns {','.join(header)}: expected from,to[,weight][,cost]; rename or drop the others"
        )
    numbers = np.empty((len(rows), len(kinds)))
    for index, row in enumerate(rows):
        try:
            if len(row) != len(header):
                raise ValueError
            numbers[index] = [number(row[column], cells) for column in kinds]
        except ValueError:
            shown = (
                "from,to and a number or none" if bare else f"{','.join(header)} with numbers from the third column on"
            )
            raise UserError(f"{origin}, edge {index + 1} ({','.join(row)}): expected {shown}") from None
    ends = [[plain_text(row[column]) for column in place] for row in rows]
    nodes = match_nodes([end for pair in ends for end in pair], sensor_ids, num_nodes, origin, subset)
    kept = [index for index, pair in enumerate(ends) if all(end in nodes.column for end in pair)]
    columns = np.array([[nodes.column[end] for end in ends[index]] for index in kept], dtype=np.int64).reshape(-1, 2)
    values = {kind: numbers[kept, place] for place, kind in enumerate(kinds.values())}
    left = (
        f"; left out: {len(rows) - len(kept)}, whose sensors the data lack ({len(nodes.lacking)}: "
        f"{some(nodes.lacking)})"
        if nodes.lacking
        else ""
    )
    notes = (f"edges of {origin} read {nodes.how}: {len(kept)}{left}", *nodes.notes)
    return Links(
        origin,
        num_nodes,
        columns[:, 0],
        columns[:, 1],
        values.get("weight"),
        values.get("distance"),
        values.get("unnamed"),
        notes=notes,
    )


def _header(cells: Cells) -> list[str]:
    return [cell.lower() for cell in cells.rows[0]]


def _ends(header: list[str]) -> tuple[int, int] | None:
    """Return the places of the two ends in a header."""
    for start, end in _ENDS:
        if header.count(start) == 1 and header.count(end) == 1:
            return header.index(start), header.index(end)
    return None
