"""Protocol new-sensors: what a sensor that is set aside gives, and when."""

import copy
import json
import math
import shutil
from dataclasses import replace

import numpy as np
import pytest
import torch

from stlora_ext.config.experiment import experiment
from stlora_ext.data.prepared import load_meta
from stlora_ext.errors import UserError
from stlora_ext.host.checkpoint import load_checkpoint
from stlora_ext.lora.expand import expand_adapter
from stlora_ext.lora.fit_rows import fit_rows
from stlora_ext.lora.ridge import RIDGES
from stlora_ext.runs.backbone import run_key
from stlora_ext.runs.build import build_model, settled, trained_on
from stlora_ext.runs.evaluation import evaluate
from stlora_ext.runs.options import RunOptions
from stlora_ext.runs.record import Record
from stlora_ext.runs.reopen import find_run
from stlora_ext.runs.run import train_run
from stlora_ext.runs.set_aside import new_sensors
from stlora_ext.runs.verify import verify
from tests.support.otherwise import described_anew, interrupt_after
from tests.support.small import SMALL

ARMS = ("base", "control", "plus", "full")


def asked(arm="plus", name="LSTM", **settings):
    model = {f"model.{key}": value for key, value in SMALL.get(name, {}).items()}
    exp = experiment("TINY", f"{name}+").override({**model, "num_epochs": 2, "new_sensors.iterations": 5})
    exp = exp.override({"new_sensors.days": [0.0, 1.0], **settings})
    return exp.with_protocol("new-sensors").with_arm(arm)


def trained(exp, data, results):
    options = RunOptions(data, results, train_backbone=True)
    return train_run(exp, load_meta(data, "TINY"), 0, options)[0]


@pytest.fixture(scope="module")
def results(tmp_path_factory):
    return tmp_path_factory.mktemp("results")


def louder(data, folder, columns, days):
    """Copy TINY with the readings of some sensors multiplied by 100 in training and validation, but for the last days
    of the training rows."""
    shutil.copytree(data / "TINY", folder / "TINY")
    meta = load_meta(folder, "TINY")
    kept = round(days * meta.steps_per_day)
    for split in ("train", "val"):
        path = folder / "TINY" / f"{split}_data.npy"
        rows = np.load(path)
        own = rows[:, columns].copy()
        rows[:, columns] *= 100
        if split == "train":
            rows[len(rows) - kept :, columns] = own[len(rows) - kept :]
        np.save(path, rows)
    return described_anew(folder, "TINY")


@pytest.mark.parametrize("sharing", ["embedding", "vector", "node"])
def test_sensors_set_aside_give_nothing_but_their_days(sharing, tiny_data, results, tmp_path):
    exp = asked(**{"adapter.sharing": sharing})
    columns = new_sensors(exp.new_sensors, load_meta(tiny_data, "TINY"))
    quiet = trained(exp, tiny_data, results)
    loud = trained(exp, louder(tiny_data, tmp_path / "data", columns, 1.0), tmp_path / "results")
    assert loud.weights == quiet.weights  # scaler, training and selection of backbone and adapter
    assert loud.adapted_weights == quiet.adapted_weights
    known = [
        load_checkpoint(folder / record.key.path / "model.pt")["scaler_stats"]
        for folder, record in ((results, quiet), (tmp_path / "results", loud))
    ]
    assert known[0] == known[1]
    assert [fit.days for fit in quiet.new_sensors.fits] == [0.0, 1.0, None]
    for one, two in zip(quiet.new_sensors.fits[:2], loud.new_sensors.fits[:2], strict=True):
        assert one == two
    assert quiet.new_sensors.fits[2].scores != loud.new_sensors.fits[2].scores  # all days, the loud ones too


def test_the_arm_full_is_trained_on_them(tiny_data, results, tmp_path):
    exp = asked("full")
    columns = new_sensors(exp.new_sensors, load_meta(tiny_data, "TINY"))
    quiet = trained(exp, tiny_data, results)
    loud = trained(exp, louder(tiny_data, tmp_path / "data", columns, 1.0), tmp_path / "results")
    assert loud.weights != quiet.weights


def test_every_arm_is_scored_on_the_new_sensors_alone(tiny_data, results):
    meta = load_meta(tiny_data, "TINY")
    columns = new_sensors(asked().new_sensors, meta)
    records = {arm: trained(asked(arm), tiny_data, results) for arm in ARMS}
    assert {tuple(record.new_sensors.sensors) for record in records.values()} == {tuple(columns)}
    assert {record.scores.num_targets for record in records.values()} == {records["base"].scores.num_targets}
    for record in records.values():
        assert len(record.scores.nodes["MAE"]) == len(columns) == round(0.2 * meta.num_nodes)
        assert record.new_sensors.fits[-1].scores == record.scores
        assert record.scores.periods is None  # error sums by day, which no table reads of new sensors
    assert len({record.scores.average["MAE"] for record in records.values()}) == len(ARMS)


def test_at_0_days_a_new_sensor_is_what_expand_adapter_makes_of_it(tiny_data, results, tmp_path):
    exp, meta = settled(asked(), load_meta(tiny_data, "TINY"), tiny_data), load_meta(tiny_data, "TINY")
    record = trained(exp, tiny_data, results)
    known = trained_on(exp, meta)
    model = build_model(exp, meta, tiny_data)
    state = load_checkpoint(results / record.key.path / "model.pt")
    model.load_state_dict(state["model_state_dict"])
    new = [f"new{column}" for column in record.new_sensors.sensors]
    expanded = expand_adapter(model.eval(), new)
    data = np.load(tiny_data / "TINY" / "test_data.npy")
    stats = state["scaler_stats"]
    order = [c for c in range(meta.num_nodes) if c not in record.new_sensors.sensors] + list(record.new_sensors.sensors)
    scaled = ((torch.tensor(data) - stats["mean"]) / stats["std"]).masked_fill(torch.tensor(data).abs() < 5e-5, 0.0)
    windows = scaled[:, order].unfold(0, meta.input_len, 1).transpose(1, 2)[: meta.windows["test"]]
    stamps = torch.tensor(np.load(tiny_data / "TINY" / "test_timestamps.npy"))
    times = stamps.unfold(0, meta.input_len, 1).transpose(1, 2)[: meta.windows["test"]]
    with torch.no_grad():
        forecast = expanded(windows.contiguous(), inputs_timestamps=times)[:, :, known.num_nodes :]
    targets = torch.tensor(data[meta.input_len :, record.new_sensors.sensors]).unfold(0, meta.output_len, 1)
    targets = targets.transpose(1, 2)[: meta.windows["test"]]
    there = targets.abs() >= 5e-5
    error = ((forecast * stats["std"] + stats["mean"] - targets).abs() * there).sum() / there.sum()
    assert record.new_sensors.fits[0].scores.average["MAE"] == pytest.approx(float(error), rel=1e-5)


def test_what_an_adapter_is_worth_without_days_is_measured_on_known_sensors_set_aside_in_turn(tiny_data, results):
    exp, meta = settled(asked(), load_meta(tiny_data, "TINY"), tiny_data), load_meta(tiny_data, "TINY")
    record = trained(exp, tiny_data, results)
    state = load_checkpoint(results / record.key.path / "model.pt")
    stats = state["scaler_stats"]
    model = build_model(exp, meta, tiny_data)
    known = [column for column in range(meta.num_nodes) if column not in record.new_sensors.sensors]
    data, stamps = (np.load(tiny_data / "TINY" / f"val_{part}.npy") for part in ("data", "timestamps"))
    data = torch.tensor(data[:, known])
    scaled = ((data - stats["mean"]) / stats["std"]).masked_fill(data.abs() < 5e-5, 0.0)
    windows = scaled.unfold(0, meta.input_len, 1).transpose(1, 2)[: meta.windows["val"]].contiguous()
    times = torch.tensor(stamps).unfold(0, meta.input_len, 1).transpose(1, 2)[: meta.windows["val"]]
    targets = data[meta.input_len :].unfold(0, meta.output_len, 1).transpose(1, 2)[: meta.windows["val"]]
    there, errors = targets.abs() >= 5e-5, 0.0
    for node in range(len(known)):
        model.load_state_dict(state["model_state_dict"])
        with torch.no_grad():
            for rows in model.adapter.per_node():
                others = [other for other in range(len(known)) if other != node]
                rows[node] = rows[others].mean(dim=0)
            forecast = model.eval()(windows, inputs_timestamps=times)[:, :, node]
        error = (forecast * stats["std"] + stats["mean"] - targets[:, :, node]).abs()
        errors += float((error * there[:, :, node]).sum())
    found = [fit.known_mae for fit in record.new_sensors.fits]
    assert found[0] == pytest.approx(errors / int(there.sum()), rel=1e-5)
    assert record.new_sensors.fits[0].ridge is None and found[2] < found[0]


def test_one_known_sensor_has_no_other_to_be_measured_by_and_the_ridge_is_the_strongest(tiny_data, results):
    names = load_meta(tiny_data, "TINY").sensor_ids[1:]
    record = trained(asked(**{"new_sensors.names": names}), tiny_data, results)
    assert [(fit.ridge, fit.known_mae) for fit in record.new_sensors.fits] == [
        (None, None),
        (RIDGES[-1], None),
        (RIDGES[-1], None),
    ]
    assert all(math.isfinite(fit.scores.average["MAE"]) for fit in record.new_sensors.fits)


def test_only_weights_of_sensors_are_worth_something_there(tiny_data, results):
    for arm in ("base", "control", "full"):
        (fit,) = trained(asked(arm), tiny_data, results).new_sensors.fits
        assert fit.known_mae is None


@pytest.mark.parametrize("arm", ARMS)
def test_a_record_is_confirmed_by_fitting_again(arm, tiny_data, results):
    record = trained(asked(arm), tiny_data, results)
    run = find_run(record.key.record_path(results), results)
    meta = load_meta(tiny_data, "TINY")
    assert verify(run, meta, tiny_data).difference is None
    again = evaluate(run, meta, tiny_data)
    assert json.loads(json.dumps(again.summary())) == record.content["new_sensors"]


@pytest.mark.parametrize(
    ("change", "told"),
    [
        (lambda fit: fit["test"]["average"].update(MAE=1.0), "of the fit on 1 days the average MAE is 1.0"),
        (lambda fit: fit.update(ridge=0.5), "the ridge of the fit on 1 days is 0.5 in the record"),
        (lambda fit: fit.update(known_mae=0.5), "known_mae of the fit on 1 days is 0.5 in the record"),
        (lambda fit: fit.update(days=2.0), "the days of the fits are [0.0, 2.0, None] in the record"),
    ],
)
def test_every_fit_of_a_record_is_made_again(change, told, tiny_data, results):
    record = trained(asked(), tiny_data, results)
    run, meta = find_run(record.key.record_path(results), results), load_meta(tiny_data, "TINY")
    content = copy.deepcopy(dict(record.content))
    change(content["new_sensors"]["fits"][1])
    verdict = verify(replace(run, record=Record.of(content)), meta, tiny_data)
    assert told in verdict.difference


def test_days_that_the_training_rows_do_not_hold_are_those_of_all(tiny_data, results):
    record = trained(asked(**{"new_sensors.days": [1.0, 1000.0]}), tiny_data, results)
    assert [fit.days for fit in record.new_sensors.fits] == [1.0, None]


def test_days_that_hold_no_window_are_refused_before_training(tiny_data, tmp_path):
    with pytest.raises(UserError) as caught:
        trained(asked(**{"new_sensors.days": [0.0, 0.05]}), tiny_data, tmp_path)
    assert "0.05 days of TINY hold no window of 24 steps; give at least 0.08333 (24 steps), or 0" in str(caught.value)
    assert not list(tmp_path.rglob("*.pt"))


def test_days_of_arms_that_fit_nothing_are_no_reason_to_refuse_them(tiny_data):
    daily = replace(load_meta(tiny_data, "TINY"), interval=1440, steps_per_day=1)
    for arm in ("base", "control", "full"):
        build_model(asked(arm), daily, tiny_data)
    with pytest.raises(UserError, match=r"1 days of TINY hold no window of 24 steps; give at least 24 \(24 steps\)"):
        build_model(asked(), daily, tiny_data)


def test_sensors_are_the_same_in_whatever_order_they_are_named():
    one, two = (asked(**{"new_sensors.names": names}) for names in (["1", "3"], ["3", "1"]))
    assert one.new_sensors == two.new_sensors


def test_many_new_sensors_are_fitted_in_parts(tiny_data, results, monkeypatch):
    record = trained(asked(), tiny_data, results)
    run, meta = find_run(record.key.record_path(results), results), load_meta(tiny_data, "TINY")
    sizes = []

    def watched(known, config, readings, *rest):
        sizes.append(readings.inputs.shape[2])
        return fit_rows(known, config, readings, *rest)

    monkeypatch.setattr("stlora_ext.runs.new_sensors_runner.fit_rows", watched)
    monkeypatch.setattr("stlora_ext.runs.new_sensors_runner._CELLS", 1)
    again = evaluate(run, meta, tiny_data)
    assert set(sizes) == {1}
    for one, two in zip(record.new_sensors.fits, again.fits, strict=True):
        assert one.scores.average["MAE"] == pytest.approx(two["test"]["average"]["MAE"], rel=0.05)


def test_an_interrupted_run_ends_as_an_uninterrupted_one(tiny_data, results, tmp_path, monkeypatch):
    from stlora_ext.runs.new_sensors_runner import NewSensorsAdapterRunner

    exp = asked()
    whole = trained(exp, tiny_data, results)
    base = whole.adapted_key
    shutil.copytree(results / base.path, tmp_path / base.path)
    shutil.copy(base.record_path(results), base.record_path(tmp_path))
    for method in ("on_epoch_end", "model_of_new"):
        with monkeypatch.context() as patched:
            patched.setattr(NewSensorsAdapterRunner, method, interrupt_after(getattr(NewSensorsAdapterRunner, method)))
            with pytest.raises(KeyboardInterrupt):
                trained(exp, tiny_data, tmp_path)
    resumed = trained(exp, tiny_data, tmp_path)
    assert (resumed.weights, resumed.new_sensors) == (whole.weights, whole.new_sensors)


def test_a_split_is_a_draw_of_its_own_and_names_say_which(tiny_data):
    meta = load_meta(tiny_data, "TINY")
    drawn = {tuple(new_sensors(asked(**{"new_sensors.split": split}).new_sensors, meta)) for split in range(5)}
    assert len(drawn) > 2
    named = asked(**{"new_sensors.names": [meta.sensor_ids[4], meta.sensor_ids[1]]})
    assert new_sensors(named.new_sensors, meta) == [1, 4]


def test_keys_hold_what_an_arm_reads(tiny_data):
    meta = load_meta(tiny_data, "TINY")

    def keys(**settings):
        return [run_key(asked(arm, **settings), meta, 0).config_hash for arm in ("base", "control", "plus", "full")]

    usual, other_days, other_split = keys(), keys(**{"new_sensors.days": [2.0]}), keys(**{"new_sensors.split": 1})
    assert [a == b for a, b in zip(usual, other_days, strict=True)] == [True, True, False, True]
    assert all(a != b for a, b in zip(usual, other_split, strict=True))
    dropped = keys(**{"adapter.row_dropout": 0.1})  # the control has no rows
    assert [a == b for a, b in zip(usual, dropped, strict=True)] == [True, True, False, False]
    joint = experiment("TINY", "LSTM+")
    for arm, same in (("control", True), ("wide", True), ("plus", False)):
        other = joint.override({"adapter.row_dropout": 0.1}).with_arm(arm)
        assert (run_key(joint.with_arm(arm), meta, 0) == run_key(other, meta, 0)) == same
    changed = joint.override({"new_sensors.split": 3})
    assert run_key(joint, meta, 0) == run_key(changed, meta, 0)


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: asked(name="HA"), "--protocol new-sensors: HA is fitted"),
        (lambda: asked("wide"), "--arm wide: --protocol new-sensors has the arms base, control, plus and full"),
        (lambda: asked(**{"new_sensors.share": 1.0}), "new_sensors.share=1.0: expected a share above 0 and below 1"),
        (lambda: asked(**{"new_sensors.days": [3.0, 1.0]}), "expected days from 0 on in rising order"),
        (lambda: asked(**{"new_sensors.names": ["a", "a"]}), "a sensor is named twice"),
        (lambda: experiment("TINY", "LSTM+").with_arm("full"), "--arm full: only --protocol new-sensors has it"),
        (lambda: asked().with_protocol("new-sensors", "model.pt"), "--from model.pt: --protocol new-sensors trains"),
    ],
)
def test_what_makes_no_sense_is_refused(make, message):
    with pytest.raises(UserError) as caught:
        make()
    assert message in str(caught.value)


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"new_sensors.names": ["n0de"]}, "new_sensors.names: TINY has no sensor 'n0de', expected one of: 0, 1"),
        ({"new_sensors.share": 0.01}, "0 of the 12 sensors of TINY would be set aside"),
        ({"new_sensors.share": 0.99}, "12 of the 12 sensors of TINY would be set aside"),
    ],
)
def test_a_set_that_lacks_the_sensors_is_told(settings, message, tiny_data, results):
    with pytest.raises(UserError) as caught:
        trained(asked(**settings), tiny_data, results)
    assert message in str(caught.value)


@pytest.mark.parametrize("name", ["STGCN", "GWNet", "AGCRN", "STAE", "D2STGNN", "STID", "TiDE", "iTransformer"])
def test_a_backbone_that_holds_its_sensors_is_refused_with_what_holds_them(name, tiny_data, results):
    with pytest.raises(UserError) as caught:
        trained(asked(name=name), tiny_data, results)
    assert f"--protocol new-sensors: {name} " in str(caught.value)
    assert "holds the sensors in '" in str(caught.value) or "from the others' inputs" in str(caught.value)


def test_one_more_model_that_holds_no_sensor_runs(tiny_data, results):
    record = trained(asked(name="DLinear"), tiny_data, results)
    assert [fit.days for fit in record.new_sensors.fits] == [0.0, 1.0, None]


def test_an_adapter_of_known_sensors_knows_their_names(tiny_data, results):
    meta = load_meta(tiny_data, "TINY")
    record = trained(asked(), tiny_data, results)
    from stlora_ext.lora.files import read_adapter

    described = read_adapter(results / record.key.path / "adapter.safetensors")[0]
    left_out = set(record.new_sensors.sensors)
    assert described["names"] == [name for column, name in enumerate(meta.sensor_ids) if column not in left_out]
