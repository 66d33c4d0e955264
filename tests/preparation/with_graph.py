"""Preparing a small data set of named sensors with a graph."""

import numpy as np
import pytest

import prepare
from stlora_ext.data.prepared import load_meta
from stlora_ext.errors import UserError
from tests.support.graphs import load_adjacency
from tests.support.raw_files import write_readings


def prepared(folder, names, *options):
    """Prepare readings of ``names`` with ``options``; return the folder of the data sets."""
    raw = write_readings(folder / "raw.csv", names)
    prepare.main(["MINE", "--raw", str(raw), *map(str, options), "--data", str(folder / "out"), "--force"])
    return folder / "out"


def weights(folder, names, *options):
    """Prepare readings of ``names`` with ``options``; return the weights ``[N, N]`` by [source, target]."""
    root = prepared(folder, names, *options)
    return load_adjacency(root, load_meta(root, "MINE"))


def refusal(folder, names, *options):
    """Return the one line that refuses ``options``; nothing is prepared."""
    with pytest.raises(UserError) as caught:
        prepared(folder, names, *options)
    assert "\n" not in str(caught.value)
    assert not (folder / "out" / "MINE").exists()
    return str(caught.value)


def text(path, *lines):
    """Write lines and return the path."""
    path.write_text("\n".join(lines) + "\n", encoding="utf-8")
    return path


def written(path, kind, matrix, names):
    """Write a matrix with names in the first row and column."""
    separator = {"csv": ",", "semicolon": ";", "tsv": "\t"}[kind]
    rows = [["sensor", *names], *([name, *map(str, row)] for name, row in zip(names, np.array(matrix), strict=True))]
    lines = [separator.join(row) for row in rows]
    return text(path, *[line.replace(".", ",") if kind == "semicolon" else line for line in lines])
