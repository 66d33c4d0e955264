"""A data set that isn't there is refused with the command that puts it where it was looked for."""

import shlex

import numpy as np
import pandas as pd
import pytest

import prepare
from stlora_ext.data.available import open_dataset
from stlora_ext.data.prepared import load_meta
from stlora_ext.errors import UserError
from stlora_ext.folders import DATA


def command(name, folder):
    with pytest.raises(UserError) as caught:
        open_dataset(name, folder)
    return str(caught.value).partition("python datasets/prepare.py ")[2]


@pytest.mark.parametrize("folder", ["data", "my data"])
def test_the_command_that_prepares_an_absent_set_prepares_it_there(folder, tmp_path):
    times = pd.date_range("2024-03-04", periods=100, freq="h", name="time")
    pd.DataFrame(np.ones((100, 2)).cumsum(0), times, ["a", "b"]).to_csv(tmp_path / "raw.csv")
    text = command("MINE", tmp_path / folder).replace("[--graph YOUR_GRAPH]", "")
    prepare.main(shlex.split(text.replace("YOUR_FILE", str(tmp_path / "raw.csv"))))
    assert load_meta(tmp_path / folder, "MINE").num_nodes == 2


@pytest.mark.parametrize("name", ["PEMS08", "MINE"])
def test_the_usual_folder_is_not_named(name, tmp_path):
    assert "--data" in command(name, tmp_path)
    if not (DATA / name).exists():
        assert "--data" not in command(name, DATA)
