"""What --add-sensors refuses: one line with the remedy, and nothing is written or lost."""

import json

import numpy as np
import pandas as pd
import pytest
from safetensors.torch import save_file

import stlora_ext
from experiments import predict, update
from stlora_ext.errors import UserError
from tests.runs.test_add_sensors import added, with_new
from tests.support.commands import refusal, refused, run
from tests.support.reopened import data, finished
from tests.support.served import (
    SETTINGS,
    arguments,
    backbone,
    described,
    memory_before,
    readings,
    start_of,
    tensors,
    updated,
)
from tests.support.small import OURS

NOW = start_of(0)
AGNOSTIC = ("LSTM", "DLinear", "SparseTSF")


@pytest.fixture(scope="module")
def first(tmp_path_factory):
    """The service file of a first update."""
    return updated(finished("LSTM"), memory_before(NOW), tmp_path_factory.mktemp("first") / "1.safetensors", *SETTINGS)


@pytest.fixture
def refuse(tmp_path, capsys):
    """Returns the line that refuses an update with a table of readings; it leaves no file behind."""

    def line(path, table, *more):
        table.to_csv(tmp_path / "recent.csv")
        output = tmp_path / "new.safetensors"
        answer = refusal(update.main, arguments(path, tmp_path / "recent.csv", output, *more), capsys)
        assert not output.exists() and not list(tmp_path.glob(".*.tmp"))
        return answer

    return line


def rewritten(path, output, change):
    """A copy of a file with another description."""
    content = described(path)
    change(content)
    save_file(tensors(path), output, metadata={"stlora": json.dumps(content)})
    return output


@pytest.mark.parametrize("model", [*OURS, "DLinear", "SparseTSF", "PatchTST"])
def test_a_backbone_takes_new_sensors_or_says_what_holds_its_nodes(model, refuse, tmp_path):
    file = updated(finished(model), memory_before(NOW), tmp_path / "1.safetensors", *SETTINGS)
    if model in AGNOSTIC:
        larger = added(file, with_new(readings()), tmp_path / "2.safetensors", model=model)
        place = backbone(model)[1]
        before, after = (stlora_ext.load_run(path, backbone=place, data=data()) for path in (file, larger))
        expected = before.forecast(readings())
        assert (after.forecast(with_new(readings()))[expected.columns] == expected).all(axis=None)
        next_one = updated(larger, with_new(readings()), tmp_path / "3.safetensors", *backbone(model))
        assert described(next_one)["backbone_hash"] == described(file)["backbone_hash"]
    else:
        answer = refuse(file, with_new(readings()), *backbone(model), "--add-sensors")
        assert model.replace("-week", "Week") in answer and ("' of" in answer or "the others' inputs" in answer)
        assert "so it takes no new ones: train backbone and adapter on all sensors" in answer


def test_an_unknown_column_is_refused_with_what_to_do_which_works(first, refuse, tmp_path):
    table = with_new(memory_before(start_of(1)))
    answer = refuse(first, table, *backbone())
    assert "has the unknown sensors 'park', 'west': expected the 5 sensors of QUICK" in answer
    assert answer.endswith("leave an unknown column out, or add its sensor first, with --add-sensors")
    updated(added(first, table, tmp_path / "2.safetensors"), table, tmp_path / "3.safetensors", *backbone())


def test_an_adapter_at_zero_is_updated_before_sensors_are_added(refuse, tmp_path):
    table = with_new(memory_before(NOW))
    remedy = "leave an unknown column out of this first update, then add its sensor to the new file with --add-sensors"
    assert refuse(finished("LSTM"), table, *SETTINGS).endswith(remedy)
    answer = refuse(finished("LSTM"), table, "--add-sensors")
    assert "the adapter at zero, so no row could be fitted yet: update it first, without the columns" in answer
    file = updated(finished("LSTM"), memory_before(NOW), tmp_path / "1.safetensors", *SETTINGS)
    assert described(added(file, table, tmp_path / "2.safetensors"))["num_nodes"] == 7


@pytest.mark.parametrize(
    ("change", "expected"),
    [
        (lambda table: table.drop(columns=["west", "park"]), "the 5 known sensors and no other column"),
        (lambda table: table.drop(columns=table.columns[1]), "lacks sensor '"),
        (lambda table: table.iloc[:0], "has a header and no rows"),
        (lambda table: table.drop(table.index[50]), "--fill-gaps inserts the missing rows"),
        (lambda table: table.assign(west=np.inf), "sensor 'west': the reading is infinite"),
        (lambda table: table.rename(columns={"west": " "}), ""),
    ],
)
def test_an_input_that_does_not_fit_is_refused(change, expected, first, refuse):
    assert expected in refuse(first, change(with_new(memory_before(NOW))), *backbone(), "--add-sensors")


def test_rows_that_are_missing_in_time_are_inserted_where_asked(first, tmp_path):
    table = with_new(memory_before(NOW))
    added(first, table.drop(table.index[50]), tmp_path / "2.safetensors", *backbone(), "--fill-gaps")


@pytest.mark.parametrize("more", [["--again"], ["--set", "stream.lr=0.1"]])
def test_an_option_of_an_update_is_refused(more, first, refuse):
    answer = refuse(first, with_new(memory_before(NOW)), *backbone(), "--add-sensors", *more)
    assert answer == f"{more[0]}: not with --add-sensors, which makes no update; leave it out"


def test_a_scaler_of_every_sensor_has_none_for_new_ones(first, refuse, tmp_path):
    def change(content):
        content["scaler"] = {name: [value] * 5 for name, value in content["scaler"].items()}

    own = rewritten(first, tmp_path / "own.safetensors", change)
    assert "and none for new ones" in refuse(own, with_new(memory_before(NOW)), *backbone(), "--add-sensors")


@pytest.mark.parametrize("entry", [5, [1], [{"names": ["a"]}], [{"until": "soon"}]], ids=str)
def test_a_damaged_list_of_what_was_added_is_refused(entry, first, refuse, tmp_path):
    file = rewritten(first, tmp_path / "2.safetensors", lambda content: content["service"].update(sensors=entry))
    assert "is damaged (what was done to it" in refuse(file, memory_before(start_of(1)), *backbone())


def test_a_file_whose_known_sensors_are_not_the_data_sets_is_refused_by_name(first, tmp_path):
    file = added(first, with_new(memory_before(NOW)), tmp_path / "2.safetensors")
    other = rewritten(file, tmp_path / "3.safetensors", lambda content: content["names"].__setitem__(1, "elsewhere"))
    with pytest.raises(UserError, match="add '1'|lack|elsewhere"):
        stlora_ext.load_run(other, backbone=backbone()[1], data=data())


def test_a_forecast_without_a_new_column_names_it(first, tmp_path, capsys):
    file = added(first, with_new(memory_before(NOW)), tmp_path / "2.safetensors")
    readings().to_csv(tmp_path / "recent.csv")
    words = [file, "--data", data(), "--input", tmp_path / "recent.csv", "--output", tmp_path / "f.csv", *backbone()]
    answer = refusal(predict.main, words, capsys)
    assert "lacks sensors 'west', 'park'" in answer and "a sensor without readings is a column of empty cells" in answer
    readings().assign(west=pd.NA, park=pd.NA).to_csv(tmp_path / "recent.csv")
    predict.main([str(word) for word in words])
    assert pd.read_csv(tmp_path / "f.csv", index_col=0).notna().all(axis=None)


def test_the_command_ends_with_one_line(first, tmp_path):
    memory_before(NOW).to_csv(tmp_path / "recent.csv")
    words = arguments(first, tmp_path / "recent.csv", tmp_path / "2.safetensors", *backbone(), "--add-sensors")
    assert "no other column" in refused(run("experiments/update.py", *words))
