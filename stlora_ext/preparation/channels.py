"""Which of several channels is forecast: by number or by name, never by guess."""

from collections.abc import Sequence

from stlora_ext.errors import UserError, nearest


def choose_channel(
    channels: Sequence[str], asked: str | None, origin: str, option: str = "--channel"
) -> tuple[int, list[str]]:
    """Return the place of the channel that is asked for, and a note where others aren't used.

    Args:
        channels: Their names; numbers where the file has none.
        asked: A number from 0 or a name; None: the only one.
        origin: The file, for messages.
        option: What chooses, for messages.

    Raises:
        UserError: If there is no such channel, or none is asked for where there are several.
    """
    count = len(channels)
    numbers = [str(place) for place in range(count)]
    if asked is None and count > 1:
        raise UserError(f"{origin} has {count} channels: choose one with {option} {_listed(channels)}")
    if asked is None:
        return 0, []
    if asked in channels:
        place = list(channels).index(asked)
    elif asked in numbers:
        place = int(asked)
    else:
        named = list(channels) != numbers
        hint = f"; {nearest(asked, channels)}" if named and not asked.lstrip("-").isdigit() else ""
        raise UserError(f"{option} {asked} is not in {origin}, which has {count}: expected {_listed(channels)}{hint}")
    if count == 1:
        return place, []
    others = ", ".join(channel for other, channel in enumerate(channels) if other != place)
    return place, [f"channel {channels[place]} of {origin} is used; not used: {others}"]


def _listed(channels: Sequence[str]) -> str:
    numbers = [str(place) for place in range(len(channels))]
    if list(channels) == numbers:
        return f"0..{len(channels) - 1}"
    return ", ".join(f"{place} ({channel})" for place, channel in zip(numbers, channels, strict=True))
