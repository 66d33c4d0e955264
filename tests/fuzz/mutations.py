"""Damage to a file: what a download, a disk, an editor or a stranger does to it."""

import io
import random
import re
import zipfile

_WORDS = (
    b"null",
    b"[]",
    b"{}",
    b"-1",
    b"0",
    b"1e999",
    b"NaN",
    b'"x"',
    b"true",
    b"99999999999999",
    b"1.5",
    b"\xff",
    b"[[[[[[[[",
    b"'",
    b'"',
    b",",
    b"\n",
    b"\0",
)
_NUMBER = re.compile(rb"-?\d+(?:\.\d+)?")
_TOKEN = re.compile(rb'"[^"\n]{0,40}"|-?\d+(?:\.\d+)?|true|false|null')


def damaged(content: bytes, dice: random.Random) -> bytes:
    """Return ``content`` with one to three kinds of damage; an archive may be damaged inside, with its sums right."""
    if content.startswith(b"PK") and dice.random() < 0.6:
        return _inside(content, dice)
    for _ in range(dice.choice((1, 1, 1, 2, 3))):
        content = dice.choice(_KINDS)(content, dice)
    return content


def _place(content: bytes, dice: random.Random) -> int:
    """Pick a byte, as often among the first 512, where headers are, as anywhere."""
    return dice.randrange(max(1, min(len(content), 512) if dice.random() < 0.5 else len(content)))


def _flip(content: bytes, dice: random.Random) -> bytes:
    result = bytearray(content or b"\0")
    for _ in range(dice.choice((1, 1, 2, 8, 64))):
        result[_place(result, dice)] ^= 1 << dice.randrange(8)
    return bytes(result)


def _truncate(content: bytes, dice: random.Random) -> bytes:
    return content[: _place(content, dice)]


def _insert(content: bytes, dice: random.Random) -> bytes:
    place = _place(content, dice)
    return content[:place] + dice.choice((dice.choice(_WORDS), dice.randbytes(dice.randrange(1, 40)))) + content[place:]


def _delete(content: bytes, dice: random.Random) -> bytes:
    place = _place(content, dice)
    return content[:place] + content[place + dice.choice((1, 1, 2, 4, 8, 100)) :]


def _overwrite(content: bytes, dice: random.Random) -> bytes:
    place, length = _place(content, dice), dice.choice((1, 2, 4, 8, 40))
    noise = dice.choice((dice.randbytes(length), b"\xff" * length, b"\0" * length, b"\x7f" + b"\xff" * (length - 1)))
    return content[:place] + noise + content[place + length :]


def _repeat(content: bytes, dice: random.Random) -> bytes:
    place = _place(content, dice)
    part = content[place : place + dice.choice((4, 40, 400))]
    return content[:place] + part * dice.choice((2, 3, 20)) + content[place:]


def _noise(content: bytes, dice: random.Random) -> bytes:
    return dice.randbytes(dice.choice((0, 1, 8, 100, 5000)))


def _other_number(content: bytes, dice: random.Random) -> bytes:
    """Replace one number in text, such as a size in a header."""
    return _swap(
        content,
        _NUMBER,
        dice,
        lambda old: dice.choice(
            (b"-" + old, old + b"0", old + b"000000000", b"0", b"-1", b"2147483648", b"9" * 19, b"9" * 5000, b"1e400")
        ),
    )


def _other_word(content: bytes, dice: random.Random) -> bytes:
    return _swap(content, _TOKEN, dice, lambda _: dice.choice(_WORDS))


def _swap(content: bytes, pattern: re.Pattern[bytes], dice: random.Random, new) -> bytes:
    found = list(pattern.finditer(content))
    if not found:
        return _flip(content, dice)
    one = dice.choice(found[:200] if dice.random() < 0.5 else found)
    return content[: one.start()] + new(one.group()) + content[one.end() :]


def _inside(content: bytes, dice: random.Random) -> bytes:
    """Damage a member of an archive, or its name, and pack it again."""
    with zipfile.ZipFile(io.BytesIO(content)) as archive:
        members = [(info.filename, archive.read(info)) for info in archive.infolist()]
    chosen = dice.randrange(len(members))
    name, member = members[chosen]
    action = dice.random()
    if action < 0.1:
        del members[chosen]
    elif action < 0.2:
        members[chosen] = (f"{name}x", member)
    else:
        members[chosen] = (name, dice.choice(_KINDS)(member, dice))
    packed = io.BytesIO()
    kind = dice.choice((zipfile.ZIP_STORED, zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED))
    with zipfile.ZipFile(packed, "w", kind) as archive:
        for name, member in members:
            archive.writestr(name, member)
    return packed.getvalue()


_KINDS = (
    _flip,
    _flip,
    _truncate,
    _insert,
    _delete,
    _overwrite,
    _repeat,
    _noise,
    _other_number,
    _other_number,
    _other_word,
)
