"""Every row of docs/data.md that says "I have ..." prepares a small file of that shape to the same readings."""

import re
import shlex
from pathlib import Path

import numpy as np
import pytest

import prepare
from stlora_ext.data.prepared import load_meta
from tests.support.commands import ROOT
from tests.support.preparing import whole
from tests.support.shapes import NAMES, NEEDED, SHAPES, WIDE

PAGE = (ROOT / "docs" / "data.md").read_text(encoding="utf-8")
TABLE = PAGE[PAGE.index("## I have") : PAGE.index("## Official sets")]
COMMANDS = list(map(shlex.split, re.findall(r"`(python datasets/prepare\.py [^`]+)`", TABLE)))
OWN = [words for words in COMMANDS if not any(word.startswith("PATH/") for word in words)]


@pytest.mark.parametrize("words", OWN, ids=lambda words: " ".join(words[4:]))
def test_a_row_prepares_the_readings_of_a_file_of_its_shape(words, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    for word in words:
        package = NEEDED.get(Path(word).suffix)
        if package is not None:
            pytest.importorskip(package, reason=f"{package} is not installed")
        if word in SHAPES:
            Path(word).parent.mkdir(exist_ok=True)
            SHAPES[word](Path(word))
    prepare.main([*words[2:], "--data", "out"])
    meta = load_meta(Path("out"), words[2])
    values, stamps = whole(tmp_path, meta)
    names = NAMES if meta.sensor_ids == ["0", "1", "2"] else meta.sensor_ids
    assert sorted(names) == sorted(NAMES) and meta.start.startswith("2024-03-04T00:00:00") and meta.interval == 15
    np.testing.assert_allclose(values, WIDE[names].to_numpy(np.float32), rtol=1e-6)
    assert stamps[0].tolist() == [0, 0]


def test_every_shape_that_can_be_built_is_on_the_page():
    assert not set(SHAPES) - {word for words in OWN for word in words}
