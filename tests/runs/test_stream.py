"""Protocol stream: what is known at an update, that nothing else is, and that a walk repeats to the bit."""

import inspect
import json
import os
import shutil
import signal
import subprocess
import sys
import time
from dataclasses import replace

import numpy as np
import pytest
import torch

from stlora_ext.config.experiment import experiment
from stlora_ext.config.stream import StreamSettings
from stlora_ext.data.prepared import load_meta
from stlora_ext.data.series import Series
from stlora_ext.errors import UserError
from stlora_ext.host.checkpoint import load_checkpoint
from stlora_ext.runs import stream_runner
from stlora_ext.runs.backbone import refuse_other_training, run_key
from stlora_ext.runs.build import build_model
from stlora_ext.runs.options import RunOptions
from stlora_ext.runs.reopen import find_run
from stlora_ext.runs.run import train_run
from stlora_ext.runs.stream_runner import TAIL, StreamRunnerMixin
from stlora_ext.runs.verify import verify
from tests.support.commands import ROOT
from tests.support.otherwise import described_anew, interrupt_after
from tests.support.small import BASICTS, OURS, SMALL

EVERY = 24  # windows of a period, which batches of 64 straddle
STREAM = {"stream.every": EVERY, "stream.memory": 0.25, "stream.steps": 2, "stream.batch_size": 8}
ARMS = ("base", "plus", "control", "wide", "finetune")
SLOW = ("SVR",)  # fitted node by node


def streamed(name="LSTM", arm="plus", **settings):
    model = {f"model.{key}": value for key, value in SMALL.get(name, {}).items()}
    exp = experiment("TINY", f"{name}+").override({**model, "num_epochs": 1})
    return exp.override({**STREAM, **settings}).with_protocol("stream").with_arm(arm)


@pytest.fixture(scope="module")
def results(tmp_path_factory):
    return tmp_path_factory.mktemp("results")


def walk(exp, data, results, force=False, **options):
    """Run seed 0, its backbone first, and return the record."""
    seed = 0 if exp.run_seeds != (None,) else None
    return train_run(
        exp, load_meta(data, "TINY"), seed, RunOptions(data, results, train_backbone=True, **options), force
    )[0]


def static(exp, data, results):
    """Return the record of the run that trained the backbone."""
    base = exp.trained()
    return train_run(
        base, load_meta(data, "TINY"), *((None,) if base.run_seeds == (None,) else (0,)), options(data, results)
    )[0]


def options(data, results):
    return RunOptions(data, results, train_backbone=True)


@pytest.mark.parametrize("name", [name for name in OURS if name not in SLOW])
def test_without_updates_every_arm_is_the_static_test_to_the_bit(name, tiny_data, results):
    exp = streamed(name)
    for arm in ARMS if name == "LSTM" else ("base", "plus"):
        unchanged = exp.with_arm(arm) if arm == "base" else streamed(name, arm, **{"stream.steps": 0})
        record = walk(unchanged, tiny_data, results)
        test = dict(record.content["test"])
        expected = dict(static(unchanged, tiny_data, results).content["test"])
        assert test.pop("periods")["every"] == EVERY
        assert expected.pop("periods")["every"] == 288
        assert test == expected


def test_updates_change_every_arm_but_base(tiny_data, results):
    scores = {arm: walk(streamed(arm=arm), tiny_data, results).scores.average["MAE"] for arm in ARMS}
    assert len(set(scores.values())) == len(ARMS)


@pytest.mark.parametrize("arm", ["plus", "finetune"])
def test_errors_per_period_add_up_to_the_scores(arm, tiny_data, results):
    scores = walk(streamed(arm=arm), tiny_data, results).scores
    assert sum(scores.periods.count) == scores.num_targets
    assert sum(scores.periods.absolute) / scores.num_targets == pytest.approx(scores.average["MAE"], rel=1e-12)
    assert (sum(scores.periods.squared) / scores.num_targets) ** 0.5 == pytest.approx(scores.average["RMSE"], rel=1e-9)


def changed_from(data, folder, window):
    """Copy TINY with every reading from the first target of a test window on multiplied by 100."""
    shutil.copytree(data / "TINY", folder / "TINY")
    meta = load_meta(folder, "TINY")
    path = folder / "TINY" / "test_data.npy"
    rows = np.load(path)
    rows[window + meta.input_len :] *= 100
    np.save(path, rows)
    return described_anew(folder, "TINY")


@pytest.mark.parametrize("arm", ["base", "plus", "finetune"])
def test_no_forecast_looks_ahead(arm, tiny_data, tmp_path):
    window = 3 * EVERY + 10  # within a period and a batch
    exp = streamed(arm=arm)
    forecasts = []
    for data in (tiny_data, changed_from(tiny_data, tmp_path, window)):
        out = tmp_path / f"results{len(forecasts)}"
        record = walk(exp, data, out, save_results=True)
        forecasts.append(np.load(out / record.key.path / "test_results" / "prediction.npy"))
    before, after = forecasts
    assert np.array_equal(before[: window + 1], after[: window + 1])
    assert not np.array_equal(before[window + 1 :], after[window + 1 :])
    if arm != "base":  # the next update saw the changed readings as targets
        later = slice((window // EVERY + 2) * EVERY, None)
        assert not np.array_equal(before[later], after[later])


def recorded_draws(monkeypatch):
    """Collect ``(index, now, windows)`` of every training batch of a walk."""
    drawn, now = [], []
    update, batch = StreamRunnerMixin.update_model, Series.batch

    def noted(self, index, start):
        now[:] = [index, start]
        update(self, index, start)
        now.clear()

    def taken(self, windows):
        if now and isinstance(windows, torch.Tensor):
            drawn.append((*now, windows.clone()))
        return batch(self, windows)

    monkeypatch.setattr(StreamRunnerMixin, "update_model", noted)
    monkeypatch.setattr(Series, "batch", taken)
    return drawn


def test_an_update_draws_what_is_known_and_recent_alike_in_every_arm(tiny_data, tmp_path, monkeypatch):
    drawn = recorded_draws(monkeypatch)
    meta, memory = load_meta(tiny_data, "TINY"), 288 // 4
    by_arm = []
    for arm in ("plus", "control", "finetune"):
        drawn.clear()
        walk(streamed(arm=arm), tiny_data, tmp_path)
        by_arm.append(list(drawn))
    first_target = meta.windows["train"] + meta.windows["val"] + meta.input_len
    for index, now, windows in by_arm[0]:
        assert now == first_target + index * EVERY
        assert windows.min() >= now - memory
        assert windows.max() + meta.input_len + meta.output_len - 1 < now
    newest = max(int(windows.max()) - now for _, now, windows in by_arm[0])
    assert newest == -meta.input_len - meta.output_len  # the newest window that is known is drawn too
    for other in by_arm[1:]:
        assert all(torch.equal(one[2], two[2]) for one, two in zip(by_arm[0], other, strict=True))


def test_recency_draws_nearer_to_the_present(tiny_data, tmp_path, monkeypatch):
    drawn = recorded_draws(monkeypatch)
    ages = []
    for recency in (1.0, 4.0):
        drawn.clear()
        walk(streamed(**{"stream.recency": recency, "stream.batch_size": 64}), tiny_data, tmp_path)
        ages.append(np.mean([float((now - windows.float()).mean()) for _, now, windows in drawn]))
    oldest, newest = 288 // 4, 24
    assert ages[0] == pytest.approx((oldest + newest) / 2, abs=3)  # uniform
    assert ages[1] == pytest.approx(oldest - (oldest - newest) * 4 / 5, abs=3)  # the mean of u ** (1 / 4) is 4 / 5


@pytest.mark.parametrize("arm", ["base", "plus"])
def test_the_frozen_backbone_forecasts_each_window_once(arm, tiny_data, tmp_path, monkeypatch):
    exp = streamed(arm=arm)
    static(exp, tiny_data, tmp_path)
    counted = []
    forward = exp.backbone.arch.forward

    def counting(self, inputs, *args, **kwargs):
        counted.append(len(inputs))
        return forward(self, inputs, *args, **kwargs)

    counting.__signature__ = inspect.signature(forward)
    monkeypatch.setattr(exp.backbone.arch, "forward", counting)
    begin = StreamRunnerMixin.open_series
    monkeypatch.setattr(StreamRunnerMixin, "open_series", lambda self: (counted.clear(), begin(self)))
    walk(exp, tiny_data, tmp_path)
    meta = load_meta(tiny_data, "TINY")
    memory = 288 // 4 - meta.input_len  # windows before the test split that the first update may draw
    blocks = 0 if arm == "base" else -(-memory // 64)
    assert sum(counted) == meta.windows["test"] + blocks * 64


def content_of(record):
    """What a record says that doesn't depend on the clock or on how many processes worked on it."""
    content = json.loads(json.dumps(dict(record.content)))
    content["stream"]["seconds_per_update"] = None
    return {name: content[name] for name in ("key", "test", "weights", "stream", "trained_backbone", "parameters")}


@pytest.mark.parametrize("arm", ["plus", "finetune", "base"])
@pytest.mark.parametrize("method", ["_forecast_period", "_save_model", "update_model"])
def test_an_interrupted_walk_ends_as_an_uninterrupted_one(arm, method, tiny_data, results, tmp_path, monkeypatch):
    if arm == "base" and method == "update_model":
        pytest.skip("nothing is updated")
    exp = streamed(
        "STAE" if arm == "finetune" else "LSTM",
        arm,
        **({"adapter.dropout": 0.1, "adapter.row_dropout": 0.2} if arm == "plus" else {}),
    )
    whole = walk(exp, tiny_data, results)
    shutil.copytree(results / static(exp, tiny_data, results).key.path, tmp_path / whole.adapted_key.path)
    record = whole.adapted_key.record_path(results)
    shutil.copy(record, whole.adapted_key.record_path(tmp_path))
    monkeypatch.setattr(stream_runner, "SAVE_EVERY", 0.0)
    for times in (3, 2):  # interrupted twice
        with monkeypatch.context() as patched:
            patched.setattr(StreamRunnerMixin, method, interrupt_after(getattr(StreamRunnerMixin, method), times))
            with pytest.raises(KeyboardInterrupt):
                walk(exp, tiny_data, tmp_path)
    resumed = walk(exp, tiny_data, tmp_path)
    assert len(resumed.processes) == 3
    assert content_of(resumed) == content_of(whole)


def test_a_killed_walk_ends_as_an_uninterrupted_one(tiny_data, results, tmp_path):
    exp = streamed(**{"stream.steps": 10})
    whole = walk(exp, tiny_data, results)
    shutil.copytree(results / whole.adapted_key.path, tmp_path / whole.adapted_key.path)
    shutil.copy(whole.adapted_key.record_path(results), whole.adapted_key.record_path(tmp_path))
    program = (
        "import sys; from tests.runs import test_stream as t; from pathlib import Path; "
        "t.stream_runner.SAVE_EVERY = 0.0; "
        "t.walk(t.streamed(**{'stream.steps': 10}), Path(sys.argv[1]), Path(sys.argv[2]))"
    )
    process = subprocess.Popen(
        [sys.executable, "-c", program, str(tiny_data), str(tmp_path)], cwd=ROOT, stderr=subprocess.DEVNULL
    )
    last = tmp_path / whole.key.path / "last.pt"
    while process.poll() is None and not last.exists():
        time.sleep(0.005)
    os.kill(process.pid, signal.SIGKILL)
    assert process.wait() == -signal.SIGKILL
    assert content_of(walk(exp, tiny_data, tmp_path)) == content_of(whole)


def test_a_walk_repeats_to_the_bit(tiny_data, results):
    exp = streamed("STAE", "finetune")
    assert content_of(walk(exp, tiny_data, results)) == content_of(walk(exp, tiny_data, results, force=True))


def test_progress_of_another_backbone_is_refused(tiny_data, tmp_path, monkeypatch):
    exp = streamed()
    monkeypatch.setattr(stream_runner, "SAVE_EVERY", 0.0)
    with monkeypatch.context() as patched:
        patched.setattr(StreamRunnerMixin, "_save_model", interrupt_after(StreamRunnerMixin._save_model, 2))
        with pytest.raises(KeyboardInterrupt):
            walk(exp, tiny_data, tmp_path)
    path = tmp_path / run_key(exp.trained(), load_meta(tiny_data, "TINY"), 0).path / "model.pt"
    content = load_checkpoint(path)
    next(iter(content["model_state_dict"].values())).add_(1)
    torch.save(content, path)
    with pytest.raises(UserError, match="other weights of the backbone"):
        walk(exp, tiny_data, tmp_path)


def test_a_start_from_the_adapted_adapter_forecasts_as_that(tiny_data, results):
    exp = streamed(**{"stream.start": "adapted", "stream.steps": 0})
    adapted = train_run(exp.with_protocol("adapt"), load_meta(tiny_data, "TINY"), 0, options(tiny_data, results))[0]
    record = walk(exp, tiny_data, results)
    assert record.scores.average == adapted.scores.average


def test_node_decay_shrinks_per_node_weights_alone(tiny_data, results):
    norms = {}
    for decay in (0.0, 100.0):
        record = walk(streamed(**{"stream.node_decay": decay}), tiny_data, results)
        state = load_checkpoint(results / record.key.path / "model.pt")["model_state_dict"]
        norms[decay] = {name: float(tensor.norm()) for name, tensor in state.items() if "adapter" in name}
    embedding = next(name for name in norms[0.0] if name.endswith("embedding"))
    pool = embedding.replace("embedding", "pool")
    assert norms[100.0][embedding] < 0.5 * norms[0.0][embedding]
    assert norms[100.0][pool] == pytest.approx(norms[0.0][pool], rel=0.1)


def test_settings_of_the_stream_enter_its_keys_alone(tiny_data):
    meta = load_meta(tiny_data, "TINY")
    exp = experiment("TINY", "LSTM+")

    def keys(values):
        changed = exp.override(values)
        return [
            run_key(run, meta, 0).config_hash
            for run in (changed, changed.with_protocol("adapt"), changed.with_protocol("stream"))
        ]

    joint, adapt, stream = keys({})
    assert keys({"stream.memory": 7.0})[:2] == [joint, adapt]
    assert keys({"stream.memory": 7.0})[2] != stream
    assert keys({"stream.memory": 14.0})[2] == stream  # the default
    assert keys({"lr": 0.005})[2] != stream  # that of another backbone
    assert keys({"stream.recency": 4.0})[2] == stream != keys({"stream.recency": 1.0})[2]
    base = exp.with_protocol("stream").with_arm("base")
    assert base.override({}) == exp.override({"stream.lr": 0.1}).with_protocol("stream").with_arm("base")


def test_keys_name_what_an_arm_reads_and_what_differs_from_the_first_runs():
    """The first runs drew all windows alike and updated adapters with 1e-3: their keys say neither."""
    assert StreamSettings().named("plus") == StreamSettings().named("wide") == {"recency": 4.0, "lr": 0.003}
    assert StreamSettings().named("finetune") == {"recency": 4.0}
    assert StreamSettings(recency=1.0, lr=0.001, steps=3).named("control") == {"steps": 3, "lr": 0.001}
    assert StreamSettings(every=6).named("base") == {"every": 6}
    assert StreamSettings(steps=0).named("plus") == {"steps": 0}


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"every": 0}, "stream.every=0: expected a whole number from 1 to 1,000,000"),
        ({"steps": -1}, "stream.steps=-1: expected a whole number from 0 to 1,000,000"),
        ({"batch_size": 10**9}, "stream.batch_size=1000000000: expected a whole number from 1 to 1,000,000"),
        ({"memory": 0.0}, "stream.memory=0.0: expected a number above 0 and up to 100000"),
        ({"memory": 1e9}, "stream.memory=1000000000.0: expected a number above 0 and up to 100000"),
        ({"lr": -1.0}, "stream.lr=-1.0: expected a number above 0"),
        ({"lr": 1e38}, "stream.lr=1e+38: expected a number above 0 and up to 1e+30"),
        ({"node_decay": -0.1}, "stream.node_decay=-0.1: expected a number of at least 0"),
        ({"start": "adpted"}, "stream.start='adpted': did you mean 'adapted'"),
        ({"stps": 3}, "unknown key 'stream.stps': did you mean 'stream.steps'"),
    ],
)
def test_bad_settings_are_refused(change, message):
    with pytest.raises(UserError) as caught:
        experiment("TINY", "LSTM+").override({f"stream.{name}": value for name, value in change.items()})
    assert message in str(caught.value)


@pytest.mark.parametrize("name", ["StemGNN", "TimesNet"])
def test_a_model_that_mixes_the_windows_of_a_batch_is_refused(name, tiny_data):
    with pytest.raises(UserError, match=f"{name} forecasts a window from the other windows of its batch"):
        build_model(streamed(name), load_meta(tiny_data, "TINY"), tiny_data)


@pytest.mark.parametrize("name", [*OURS, *(name for name in BASICTS if name not in ("StemGNN", "TimesNet"))])
def test_no_other_model_is_taken_for_one(name, tiny_data):
    build_model(streamed(name), load_meta(tiny_data, "TINY"), tiny_data)


def test_what_diverges_is_named(tiny_data, results):
    with pytest.raises(UserError, match=r"the loss of update \d became .* lower it \(--set stream.lr"):
        walk(streamed(arm="finetune", **{"stream.lr": 1e30, "stream.steps": 20}), tiny_data, results)


def test_the_arms_share_one_backbone(tiny_data, results):
    records = [walk(streamed(arm=arm), tiny_data, results) for arm in ARMS]
    assert len({record.adapted_weights for record in records}) == 1
    assert {record.adapted_key for record in records} == {static(streamed(), tiny_data, results).key}
    assert [record.stream.parameters_updated for record in records] == [
        0 if record.key.arm == "base" else record.parameters.trainable for record in records
    ]


def test_another_trained_backbone_can_be_named(tiny_data, results):
    exp = streamed(**{"num_epochs": 2})
    path = results / static(streamed(), tiny_data, results).key.path / "model.pt"
    record = walk(replace(exp, backbone_from=str(path)), tiny_data, results)
    assert record.adapted_key == static(streamed(), tiny_data, results).key
    # Its updates go by how that one was trained, whatever the config says, and are those of the run that finds it.
    assert content_of(record) == content_of(walk(streamed(), tiny_data, results))
    with pytest.raises(UserError, match="num_epochs=2: the backbone .* was trained with 1, by which its updates go"):
        refuse_other_training(replace(exp, backbone_from=str(path)), {"num_epochs": 2})


@pytest.mark.parametrize("arm", ["plus", "base", "finetune"])
def test_a_stream_from_a_file_without_record_is_walked_again_where_its_backbone_was_frozen(
    arm, tiny_data, results, tmp_path
):
    file = tmp_path / "elsewhere" / "backbone.pt"
    file.parent.mkdir()
    shutil.copy(results / static(streamed(), tiny_data, results).key.path / "model.pt", file)
    record = walk(replace(streamed(arm=arm), backbone_from=str(file)), tiny_data, tmp_path)
    file.unlink()
    run, meta = find_run(record.key.record_path(tmp_path), tmp_path), load_meta(tiny_data, "TINY")
    if arm == "finetune":
        with pytest.raises(UserError, match="every weight of it was updated since: repeat the run from a finished"):
            verify(run, meta, tiny_data)
    else:
        assert verify(run, meta, tiny_data).difference is None


def test_a_run_is_verified_by_its_last_periods(tiny_data, results, tmp_path, monkeypatch):
    record = walk(streamed(arm="finetune"), tiny_data, results)
    run, meta = find_run(record.key.record_path(results), results), load_meta(tiny_data, "TINY")
    updates, update = [], StreamRunnerMixin.update_model
    monkeypatch.setattr(
        StreamRunnerMixin, "update_model", lambda self, period, now: updates.append(period) or update(self, period, now)
    )
    periods = record.stream.periods
    assert f"scores of the last 1 of {periods} periods, data," in str(verify(run, meta, tiny_data))
    assert updates == [periods - 1]
    assert "(computed again: scores, data," in str(verify(run, meta, tiny_data, whole=True))
    assert updates[1:] == list(range(periods))

    tail, kept = run.checkpoint.with_name(TAIL), tmp_path / TAIL
    shutil.move(tail, kept)
    state = load_checkpoint(kept)
    assert "(computed again: scores, data," in str(verify(run, meta, tiny_data))  # as runs of before kept none
    torch.save({**state, "model_state_dict": {k: v + 1e-3 for k, v in state["model_state_dict"].items()}}, tail)
    assert verify(run, meta, tiny_data).difference is not None
    torch.save({**state, "numerics": -1}, tail)
    with pytest.raises(UserError, match="or delete it, and the whole stream is walked again"):
        verify(run, meta, tiny_data)
    assert verify(run, meta, tiny_data, whole=True).difference is None
    shutil.move(kept, tail)


def test_a_tail_with_other_content_is_called_damaged(tiny_data, results):
    record = walk(streamed(), tiny_data, results)
    run, meta = find_run(record.key.record_path(results), results), load_meta(tiny_data, "TINY")
    tail = run.checkpoint.with_name(TAIL)
    whole = tail.read_bytes()
    state = load_checkpoint(tail)
    spoiled = [{**state, "sums": {}}, {**state, "pending": 3}]
    spoiled += [{name: value for name, value in state.items() if name != left} for left in ("losses", "sums")]
    for content in (*spoiled, None):
        if content is None:
            tail.write_bytes(whole[:3000])
        else:
            torch.save(content, tail)
        with pytest.raises(UserError, match=r"tail.pt is damaged: put back the run's own, or delete it, and the whole"):
            verify(run, meta, tiny_data)
    tail.write_bytes(whole)
    assert verify(run, meta, tiny_data).difference is None


def test_a_backbone_that_was_updated_on_the_test_data_is_no_start(tiny_data, results):
    """Its scores would be of data that its weights have seen."""
    tuned = walk(streamed(arm="finetune"), tiny_data, results)
    for exp in (streamed(), streamed(arm="base"), streamed().with_protocol("adapt").with_arm("plus")):
        with pytest.raises(
            UserError, match="updated every weight on the test data: expected .* such as that of TINY/LSTM/joint"
        ):
            walk(replace(exp, backbone_from=str(results / tuned.key.path / "model.pt")), tiny_data, results)


def test_a_record_in_place_of_a_checkpoint_is_told_apart_from_a_damaged_one(tiny_data, results):
    path = static(streamed(), tiny_data, results).key.record_path(results)
    with pytest.raises(UserError, match=r"json is no checkpoint: expected the model.pt .* such as .*seed0/model.pt"):
        walk(replace(streamed(), backbone_from=str(path)), tiny_data, results)


def test_a_memory_longer_than_what_lies_before_the_test_grows_with_the_walk(tiny_data, tmp_path, monkeypatch):
    """Every window that an update may draw has the frozen backbone's own forecast, wherever a run began."""
    exp = streamed(**{"stream.memory": 14.0})
    monkeypatch.setattr(stream_runner, "SAVE_EVERY", 0.0)
    update, wrong, stop = StreamRunnerMixin.update_model, [], [None]

    def watched(self, period, now):
        if period == stop[0]:
            raise KeyboardInterrupt
        update(self, period, now)
        if period % 8 == 7:
            known = self.series.with_target(0, now - self.series.input_len - self.series.output_len + 1)
            begin = int(known[0])
            own = self._of_backbone(begin, begin + self.size)
            wrong.append(float((self.recent.of(torch.arange(begin, begin + self.size)) - own).abs().max()))

    monkeypatch.setattr(StreamRunnerMixin, "update_model", watched)
    whole = walk(exp, tiny_data, tmp_path)
    assert len(wrong) == 2 and max(wrong) < 1e-6
    stop[0] = 3
    with pytest.raises(KeyboardInterrupt):
        walk(exp, tiny_data, tmp_path, force=True)
    stop[0] = None
    again = walk(exp, tiny_data, tmp_path, force=True)
    assert (again.weights, again.scores) == (whole.weights, whole.scores)


def test_a_memory_that_holds_no_window_is_refused_before_anything_is_trained(tiny_data, tmp_path):
    with pytest.raises(UserError) as caught:
        walk(streamed(**{"stream.memory": 0.05}), tiny_data, tmp_path)
    line = str(caught.value)
    assert "14 rows of TINY hold no window of 24; give at least --set stream.memory=0.09" in line
    assert not list(tmp_path.rglob("*.pt"))
    walk(streamed(**{"stream.memory": 0.09}), tiny_data, tmp_path)
    for arm, steps in (("base", 2), ("plus", 0)):  # which update nothing
        walk(streamed(arm=arm, **{"stream.memory": 0.05, "stream.steps": steps}), tiny_data, tmp_path)


def test_an_interrupted_walk_that_keeps_forecasts_makes_all_of_them(tiny_data, results, tmp_path, monkeypatch):
    whole = walk(streamed(), tiny_data, results)
    monkeypatch.setattr(stream_runner, "SAVE_EVERY", 0.0)
    with monkeypatch.context() as patched:
        patched.setattr(StreamRunnerMixin, "_save_model", interrupt_after(StreamRunnerMixin._save_model, 3))
        with pytest.raises(KeyboardInterrupt):
            walk(streamed(), tiny_data, tmp_path)
    record = walk(streamed(), tiny_data, tmp_path, save_results=True)
    assert content_of(record) == content_of(whole)
    made = np.load(tmp_path / record.key.path / "test_results" / "prediction.npy")
    assert np.isfinite(made).all() and (np.abs(made).sum(axis=(1, 2)) > 0).all()


def test_an_adapted_start_from_a_named_backbone_says_how_to_make_it(tiny_data, results, tmp_path):
    path = str(results / static(streamed(), tiny_data, results).key.path / "model.pt")
    exp = replace(streamed(**{"stream.start": "adapted"}), backbone_from=path)
    with pytest.raises(UserError, match=f"--protocol adapt --from {path} runs it"):
        train_run(exp, load_meta(tiny_data, "TINY"), 0, RunOptions(tiny_data, tmp_path))
    train_run(exp.with_protocol("adapt", path), load_meta(tiny_data, "TINY"), 0, RunOptions(tiny_data, tmp_path))
    walk(exp, tiny_data, tmp_path)
