"""Names of sensors: an adapter's rows belong to sensors, and in another order they correct the wrong ones."""

from collections.abc import Collection, Iterable, Sequence

from stlora_ext.errors import UserError


def checked_names(names: Iterable[str], origin: str, known: Collection[str] = ()) -> tuple[str, ...]:
    """Return ``names`` as a tuple.

    Args:
        names: Names of sensors.
        origin: Who gives them, for messages.
        known: Names that are taken.

    Raises:
        UserError: If one is no text, empty, there twice or taken.
    """
    if isinstance(names, str):
        raise UserError(f"{origin}: names={names!r} is one text, expected a list of names, such as [{names!r}]")
    seen: dict[str, None] = {}
    taken = set(known)
    for place, name in enumerate(names):
        if not isinstance(name, str):
            raise UserError(f"{origin}: the name {name!r} is no text, expected a list of texts, such as ['{name}']")
        if not name.strip():
            raise UserError(f"{origin}: sensor {place} has an empty name; name it, or leave it out")
        if name in taken:
            raise UserError(f"{origin}: the adapter knows the sensor '{name}' already; leave it out, or rename it")
        if name in seen:
            raise UserError(f"{origin}: the sensor '{name}' is named twice; leave one out, or rename it")
        seen[str(name)] = None
    return tuple(seen)


def refuse_other_names(names: Sequence[str], expected: Sequence[str], origin: str) -> None:
    """Refuse ``names`` that aren't the ``expected`` ones in their order; both have no name twice.

    Raises:
        UserError: Naming the first that is missing, unknown or elsewhere.
    """
    if tuple(names) == tuple(expected):
        return
    at_hand, wanted = set(names), set(expected)
    differing = {
        "lack": [name for name in expected if name not in at_hand],
        "add": [name for name in names if name not in wanted],
    }
    if at_hand != wanted:
        parts = [_some(what, which) for what, which in differing.items() if which]
        raise UserError(
            f"{origin} is for {len(expected)} sensors; the {len(names)} names at hand {' and '.join(parts)}: give the "
            "adapter of this network"
        )
    place = next(i for i, pair in enumerate(zip(names, expected, strict=True)) if pair[0] != pair[1])
    raise UserError(
        f"{origin} has the sensors in another order (place {place}: '{expected[place]}', at hand '{names[place]}'): "
        "give readings and names in the file's"
    )


def _some(what: str, names: list[str]) -> str:
    more = f" and {len(names) - 3} more" if len(names) > 3 else ""
    return f"{what} {', '.join(repr(name) for name in names[:3])}{more}"
