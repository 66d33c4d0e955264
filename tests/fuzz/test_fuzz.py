"""Damaged files of every format end in a result or a refusal; ``tests/fuzz/fuzz.py`` does more of them."""

import random

import pytest

from stlora_ext.errors import UserError
from tests.fuzz import fuzz
from tests.fuzz.mutations import damaged
from tests.support.commands import refused, run, succeeded


def test_a_few_damaged_files_of_every_format_end_in_a_result_or_one_line(tmp_path):
    from tests.fuzz.formats import formats

    found = formats(tmp_path)
    assert tuple(found) == fuzz.FORMATS
    wrong = {}
    for name, one in found.items():
        if name == "raw.h5":  # its library may take the process with it: below
            continue
        valid = one.path.read_bytes()
        for place in range(15):
            one.path.write_bytes(damaged(valid, random.Random(f"0 {name} {place}")))
            kind, what = fuzz.outcome(one.read)
            if kind == "wrong":
                wrong[name, place] = what
        one.path.write_bytes(valid)
    assert not wrong


def test_the_command_counts_what_came_out():
    printed = succeeded(run("tests/fuzz/fuzz.py", "--formats", "raw.h5", "--rounds", "40"))
    assert printed.startswith("raw.h5: 40 files, ") and printed.endswith("40 files, 0 wrong\n")


def test_what_is_neither_result_nor_refusal_is_told():
    def refuse():
        raise UserError("no")

    def fail():
        raise KeyError("x")

    assert fuzz.outcome(refuse)[0] == "refused" and fuzz.outcome(lambda: None)[0] == "read"
    assert fuzz.outcome(fail) == ("wrong", f"KeyError in test_fuzz.py:{fail.__code__.co_firstlineno + 1}: 'x'")


def test_the_same_seed_gives_the_same_damage():
    first, again, other = (damaged(b"1,2,3" * 50, random.Random(seed)) for seed in ("0", "0", "1"))
    assert first == again != other


@pytest.mark.parametrize(
    ("arguments", "expected"),
    [(["--formats", "raw.cvs"], "did you mean 'raw.csv'"), (["--rounds", "0"], "is not a whole number of at least 1")],
)
def test_a_mistake_on_its_command_line_is_one_line(arguments, expected):
    assert expected in refused(run("tests/fuzz/fuzz.py", *arguments))
