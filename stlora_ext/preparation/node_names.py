"""Which column of the data a graph's node is: by its name, or by its position."""

from collections.abc import Sequence
from dataclasses import dataclass

from stlora_ext.errors import UserError

_NAMED = 3  # names that a message lists


@dataclass(frozen=True)
class Nodes:
    """The columns of the nodes that a file names.

    Attributes:
        column: Column of each node by its text; a node that the data lack isn't there.
        how: "by name" or "by position".
        lacking: Nodes that the data lack, left out.
        notes: What the user should know about the match.
    """

    column: dict[str, int]
    how: str
    lacking: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()


def match_nodes(texts: Sequence[str], sensor_ids: list[str] | None, num_nodes: int, origin: str, subset: bool) -> Nodes:
    """Find the column of every node of a file.

    Names are compared as they are; if some fit none, those that differ by leading zeros alone are matched. Positions
    count from 0. They are taken where the data have no names, or where no node has the name of a sensor and 0 is one.

    Args:
        texts: The nodes as the file writes them, repeated or not.
        sensor_ids: Names of the columns, if they have any.
        num_nodes: Columns.
        origin: The file, for the messages.
        subset: Whether nodes that the data lack are left out.

    Raises:
        UserError: If a node is no sensor of the data and is not to be left out.
    """
    nodes = list(dict.fromkeys(texts))
    positions = {str(index): index for index in range(num_nodes)}
    beyond = next((node for node in nodes if node not in positions), None)
    if sensor_ids is None:
        if beyond is None:
            return Nodes(positions, "by position")
        from_one = "; they count from 1: subtract 1" if beyond == str(num_nodes) and "0" not in nodes else ""
        raise UserError(
            f"{origin} names node '{beyond}', the data name no sensors: expected an index from 0 to "
            f"{num_nodes - 1}{from_one or '; if the file uses sensor ids, give their order with --ids PATH'}"
        )
    column = {name: index for index, name in enumerate(sensor_ids)}
    notes = []
    if any(node not in column for node in nodes):
        alike = _but_for_zeros(nodes, column)
        if alike:
            first = next(iter(alike))
            notes.append(
                f"names of {origin} that match the data's but for leading zeros: {len(alike)}, as '{first}' and "
                f"'{sensor_ids[alike[first]]}'"
            )
        column |= alike
    lacking = [node for node in nodes if node not in column]
    if not lacking:
        return Nodes(column, "by name", notes=tuple(notes))
    if len(lacking) == len(nodes) and beyond is None and "0" in nodes:
        return Nodes(positions, "by position")
    if len(lacking) == len(nodes):
        strange = f"node '{beyond}'" if beyond is not None else f"{some(nodes)}, no node 0"
        raise UserError(
            f"{origin} names {strange} and no sensor of the data: expected the data's names ({some(sensor_ids)}), or "
            f"positions from 0 to {num_nodes - 1} with 0 among them; rename the nodes"
        )
    if subset:
        return Nodes(column, "by name", tuple(lacking), tuple(notes))
    one_on = lacking == [str(num_nodes)] and list(sensor_ids) == list(positions) and "0" not in nodes
    remedy = "they seem to count from 1: subtract 1" if one_on else "--subset leaves out sensors that the data lack"
    raise UserError(
        f"{origin} names {len(lacking)} of its {len(nodes)} sensors as no sensor of the data ({some(lacking)}): "
        f"expected the data's names ({some(sensor_ids)}); {remedy}"
    )


def _but_for_zeros(nodes: list[str], column: dict[str, int]) -> dict[str, int]:
    """Return the columns of numeric names that equal one sensor's, and no other node's, once zeros are dropped."""
    sensors = _by_number(column)
    unknown = {node for node in nodes if node not in column}
    return {
        alike[0]: column[sensors[number][0]]
        for number, alike in _by_number(nodes).items()
        if len(alike) == 1 and alike[0] in unknown and len(sensors.get(number, ())) == 1
    }


def _by_number(names: Sequence[str] | dict[str, int]) -> dict[str, list[str]]:
    alike: dict[str, list[str]] = {}
    for name in names:
        if name.isascii() and name.isdecimal():
            alike.setdefault(name.lstrip("0"), []).append(name)
    return alike


def some(names: Sequence[str]) -> str:
    """Return the first few names, quoted."""
    return ", ".join(f"'{name}'" for name in names[:_NAMED]) + (", ..." if len(names) > _NAMED else "")
