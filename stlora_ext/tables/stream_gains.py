"""What updating an adapter gains, a line for each setting of it: "+" minus every other arm of protocol ``stream``."""

from collections.abc import Sequence

from stlora_ext.tables.alike import mark
from stlora_ext.tables.pairs import Comparison
from stlora_ext.tables.score_grids import alone_text, gain_text, is_clear
from stlora_ext.tables.stream_grids import Streams
from stlora_ext.tables.stream_pairs import Family, Share
from stlora_ext.tables.table import Cell, Grid, headed

_ABSENT = "–"


def stream_gains(streamed: Streams, short: bool = False) -> tuple[list[Grid], list[Comparison]]:
    """Return the grid, none where no "+" ran that another arm compares with, and the comparisons that it shows.

    Args:
        streamed: The runs of protocol ``stream``.
        short: Show "+" minus base and minus control alone.
    """
    arms = ("base", "control") if short else ("base", "control", "wide", "finetune")
    shown = [arm for arm in arms if short or any(test.base.arm == arm for test in streamed.tests)]
    reached = bool(streamed.shares) and not short
    lines = [
        (
            Cell(label, "name"),
            Cell(_alone(tests)),
            *(_cell(next((test for test in tests if test.base.arm == arm), None), streamed) for arm in shown),
            *[Cell(_reached(family, tests))] * reached,
        )
        for family in streamed.families
        for label, tests in _lines(family)
    ]
    heads = ["Model", "MAE alone", *(f'"+" minus {arm}' for arm in shown), *["of finetune's gain, %"] * reached]
    compared = [test for test in streamed.tests if test.base.arm in shown]
    return [Grid("stream", headed(heads), tuple(lines))] if lines else [], compared


def _lines(family: Family) -> list[tuple[str, list[Comparison]]]:
    """Return a label and the tests of each "+"; of several finetunes the others stand in lines of their own."""
    lines = []
    for row, label in zip(family.rows, family.labels, strict=True):
        tests = [test for test in family.tests if test.plus is row]
        tuned = [test for test in tests if test.base.arm == "finetune"]
        rest = [test for test in tests if test.base.arm != "finetune"]
        if len(tuned) < 2:
            lines += [(label, tests)] if tests else []
        else:
            lines += [(f"{label}, finetune [{test.base.config_hash}]", [*rest, test]) for test in tuned]
    return lines


def _alone(tests: Sequence[Comparison]) -> str:
    base = next((test.base for test in tests if test.base.arm == "base"), None)
    return _ABSENT if base is None else alone_text(base)


def _cell(test: Comparison | None, streamed: Streams) -> Cell:
    if test is None:
        return Cell(_ABSENT)
    return Cell(gain_text(test), bold=is_clear(streamed.corrected(test)), sign=mark(test))


def _reached(family: Family, tests: Sequence[Comparison]) -> str:
    share: Share | None = next((share for share in family.shares if share.finetune in tests), None)
    return _ABSENT if share is None or share.percent is None else f"{share.percent:.1f}"
