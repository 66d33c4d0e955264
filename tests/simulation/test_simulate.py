"""Simulated traffic: deterministic, plausible, and of one law exactly where heterogeneity is 0."""

import shutil
from types import SimpleNamespace

import numpy as np
import pytest

import prepare
import simulate
from stlora_ext.data.prepared import load_meta, load_split
from stlora_ext.errors import UserError
from stlora_ext.simulation.law import draw_law, weekly_demand
from stlora_ext.simulation.network import make_network
from stlora_ext.simulation.traffic import simulate as make
from tests.support import commands
from tests.support.graphs import load_adjacency


def run(root, *argv):
    simulate.main([*map(str, argv), "--data", str(root)])
    return {file.name: file.read_bytes() for file in (root / argv[0]).iterdir()}


def refusal(*argv):
    with pytest.raises(UserError) as caught:
        simulate.main([str(part) for part in argv])
    return str(caught.value)


def test_a_named_size_needs_no_options_and_is_identical_every_time(tmp_path):
    first = run(tmp_path, "TINY")
    shutil.rmtree(tmp_path / "TINY")
    assert run(tmp_path, "TINY", "--nodes", "12", "--seed", "0") == first
    meta = load_meta(tmp_path, "TINY")
    assert (meta.num_steps, meta.num_nodes, meta.null_val, meta.start) == (2016, 12, 0, "2024-01-01T00:00:00")
    assert meta.windows == {"train": 1196, "val": 398, "test": 399}
    with np.load(tmp_path / "TINY" / "graph.npz") as graph:
        assert graph["position"].shape == (12, 2) and (graph["distance"] > 0).all()


@pytest.mark.parametrize("option", [("--seed", 1), ("--heterogeneity", 0.1), ("--nodes", 13), ("--interval", 15)])
def test_a_named_size_is_not_overridden(tmp_path, option):
    assert "another NAME" in refusal("TINY", *option, "--data", tmp_path)


@pytest.mark.parametrize(
    "argv",
    [
        ("MINE", "--nodes", 2, "--days", 1),
        ("MINE", "--nodes", 5),
        ("MINE", "--days", 5),
        ("PEMS08",),
        ("MINE", "--nodes", 5, "--days", 1, "--heterogeneity", 1.5),
        ("MINE", "--nodes", 5, "--days", 0),
        ("MINE", "--nodes", 5, "--days", 1, "--heterogeneity", "nan"),
        ("MINE", "--nodes", 5, "--days", 1, "--seed", -1),
        ("MINE", "--nodes", 5, "--days", 1, "--interval", 7),
        ("METR-LA", "--raw-file", "x.npz"),
        ("PEMS08", "--raw-file", "x.csv"),
        ("PEMS08", "--raw-file", "x.npz", "--nodes", 5),
    ],
)
def test_arguments_out_of_range_are_refused(tmp_path, monkeypatch, argv):
    monkeypatch.chdir(tmp_path)
    refusal(*argv)
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize(
    ("argv", "said"),
    [
        (("MINE", "--nodes", 10**12, "--days", 1000), "--nodes 1000000000000: expected at most 1000000"),
        (("MINE", "--nodes", 5, "--days", "9" * 20), "--days 99999999999999999999: expected at most 36500"),
        (("PEMS08", "--raw-file", "x.npz", "--days", "9" * 15), "--days 999999999999999: expected at most 36500"),
        (("MINE", "--nodes", 10**6, "--days", 36500), "10512000 steps of 1000000 nodes need 42,068.7 GB"),
    ],
)
def test_what_nobody_can_hold_is_one_line(tmp_path, argv, said):
    data = () if "--raw-file" in argv else ("--data", tmp_path)
    argv = [tmp_path / part if part == "x.npz" else part for part in argv]
    assert said in commands.refused(commands.run("datasets/simulate.py", *argv, *data))
    assert not list(tmp_path.iterdir())


def test_a_raw_file_of_more_days_than_memory_holds_is_refused(tmp_path, monkeypatch):
    monkeypatch.setattr("psutil.virtual_memory", lambda: SimpleNamespace(available=10**8))
    assert "need 0.2 GB of memory, 0.1 GB are free" in refusal("PEMS08", "--raw-file", tmp_path / "x.npz", "--days", 50)
    assert not list(tmp_path.iterdir())


def test_every_argument_changes_the_readings():
    base = {"num_nodes": 5, "num_steps": 300, "interval": 5, "heterogeneity": 0.5, "seed": 0}
    flow = make(**base).flow
    assert np.array_equal(make(**base).flow, flow)
    for change in ({"heterogeneity": 0.6}, {"seed": 1}, {"num_nodes": 6}, {"interval": 10}):
        other = make(**(base | change)).flow
        assert other.shape != flow.shape or not np.array_equal(other, flow)


def test_readings_are_whole_vehicles_and_zero_means_missing_alone():
    flow = make(24, 14 * 288, 5, 0.5, 0).flow
    assert flow.dtype == np.float32 and np.array_equal(flow, np.rint(flow))
    assert flow.min() == 0 and 100 < flow.max() <= 500
    gone = flow == 0
    assert 0.005 < gone.mean() < 0.02
    runs = (gone[1:] & ~gone[:-1]).sum()
    assert 6 < gone.sum() / runs < 20  # outages of about an hour
    assert flow[~gone].min() >= 1


@pytest.mark.parametrize("num_nodes", [3, 4, 12, 50])
def test_at_heterogeneity_0_nothing_tells_two_nodes_apart(num_nodes):
    network = make_network(num_nodes, 0, np.random.default_rng(0))
    law = draw_law(network.distance, 0, 5, np.random.default_rng(1))
    demand = weekly_demand(law, 5)
    assert all((array == array[:1]).all() for array in vars(law).values()) and (demand == demand[:, :1]).all()
    offsets = (np.arange(num_nodes)[:, None] - network.upstream) % num_nodes
    assert (offsets == offsets[0]).all() and len(set(offsets[0].tolist())) == 2


@pytest.mark.parametrize("heterogeneity", [0, 0.5, 1])
def test_every_node_has_the_same_number_of_upstream_nodes(heterogeneity):
    graph = make(30, 10, 5, heterogeneity, 0).graph
    assert (np.bincount(graph.target, minlength=30) == 2).all()
    assert (graph.source != graph.target).all() and (graph.weight == 1).all()


def test_differences_grow_with_heterogeneity():
    spread = []
    for heterogeneity in (0.2, 0.5, 1):
        network = make_network(200, heterogeneity, np.random.default_rng(0))
        law = draw_law(network.distance, heterogeneity, 5, np.random.default_rng(1))
        spread.append(
            [
                law.level.std(),
                law.morning_time.std(),
                law.persistence.std(),
                law.reaction.std(),
                law.width.std(),
                law.weekend.std(),
            ]
        )
        assert (law.persistence + law.reaction.sum(axis=1)).max() < 1
    assert (np.diff(spread, axis=0) > 0).all()


def errors_of_linear_forecasts(flow):
    """Return test MAE, an hour ahead, of: one law for all nodes, a law per node, the last reading, the mean."""
    filled = flow.astype(np.float64)
    for column in filled.T:
        known = np.flatnonzero(column)
        column[:] = np.interp(np.arange(len(column)), known, column[known])
    rows = np.arange(12, len(filled) - 12)
    hour = rows % 288 / 288 * 2 * np.pi
    calendar = np.stack(
        [f(k * hour) for k in (1, 2, 3, 4) for f in (np.sin, np.cos)]
        + [np.ones(len(rows)), (rows // 288 % 7 >= 5) * 1.0],
        axis=-1,
    )
    recent = np.stack([filled[rows - k] for k in range(12)], axis=-1)
    inputs = np.concatenate([recent, np.broadcast_to(calendar[:, None], (*recent.shape[:2], 10))], axis=-1)
    target, split = filled[rows + 11], int(0.7 * len(rows))

    def forecast(nodes):
        train = inputs[:split, nodes].reshape(-1, inputs.shape[-1])
        known = train.T @ target[:split, nodes].ravel()
        weights = np.linalg.solve(train.T @ train + 0.1 * np.eye(train.shape[1]), known)
        return inputs[split:, nodes] @ weights

    truth, columns = target[split:], range(filled.shape[1])
    each = np.concatenate([forecast([column]) for column in columns], axis=1)
    forecasts = forecast(list(columns)), each, recent[split:, :, 0], filled[:split].mean(axis=0)
    return [np.abs(guess - truth).mean() for guess in forecasts]


def test_a_law_per_node_helps_only_where_nodes_differ():
    pooled, each, last, mean = errors_of_linear_forecasts(make(16, 21 * 288, 5, 0, 3).flow)
    assert each > 0.995 * pooled
    assert pooled < 0.8 * last and pooled < 0.5 * mean
    pooled, each, last, mean = errors_of_linear_forecasts(make(16, 21 * 288, 5, 1, 3).flow)
    assert each < 0.92 * pooled
    assert pooled < 0.8 * mean


def test_a_deviation_travels_downstream():
    traffic = make(64, 28 * 288, 5, 0, 0)
    seen = np.where(traffic.flow > 0, np.log(np.maximum(traffic.flow, 1)), np.nan).reshape(4, 2016, 64)
    deviation = np.nan_to_num(seen - np.nanmean(seen, axis=0)).reshape(-1, 64)
    deviation -= deviation.mean(axis=1, keepdims=True)
    correlation = {lag: np.corrcoef(deviation[:-lag].T, deviation[lag:].T)[:64, 64:] for lag in (1, 6)}
    source, target = traffic.graph.source, traffic.graph.target
    assert correlation[6][source, target].mean() > correlation[6][target, source].mean() + 0.05
    assert correlation[6][source, target].mean() > np.median(correlation[6]) + 0.1


def test_the_same_traffic_at_another_interval_counts_more_vehicles():
    five, fifteen = (make(20, 14 * 1440 // interval, interval, 0, 0).flow for interval in (5, 15))
    assert fifteen.mean() / five.mean() == pytest.approx(3, rel=0.15)


@pytest.mark.parametrize(
    ("name", "shape"), [("PEMS03", (358, 1)), ("PEMS04", (307, 3)), ("PEMS07", (883, 1)), ("PEMS08", (170, 3))]
)
def test_a_raw_file_has_the_official_form_and_is_never_overwritten(tmp_path, name, shape):
    argv = (name, "--raw-file", tmp_path / "raw" / f"{name}.npz", "--days", 1)
    simulate.main(list(map(str, argv)))
    with np.load(tmp_path / "raw" / f"{name}.npz") as archive:
        data = archive["data"]
    assert data.shape == (288, *shape) and data.dtype == np.float64
    assert (tmp_path / "raw" / f"{name}.csv").read_text().startswith("from,to,cost\n")
    assert "never replaced" in refusal(*argv)
    if name == "PEMS08":
        prepare.main(
            [
                name,
                "--raw",
                str(argv[2]),
                "--graph",
                str(tmp_path / "raw" / f"{name}.csv"),
                "--allow-other-shape",
                "--data",
                str(tmp_path),
            ]
        )
        meta = load_meta(tmp_path, name)
        assert np.array_equal(load_split(tmp_path, meta, "train")[0], data[: meta.windows["train"] + 23, :, 0])
        assert load_adjacency(tmp_path, meta).sum() == 340


def test_a_simulated_set_is_left_alone_or_replaced_by_force_only(tmp_path, capsys):
    argv = ("MINE", "--nodes", 6, "--days", 1)
    first = run(tmp_path, *argv)
    assert run(tmp_path, *argv) == first and "already prepared" in capsys.readouterr().out
    assert "--force" in refusal(*argv, "--seed", 1, "--data", tmp_path)
    assert run(tmp_path, *argv, "--seed", 1, "--force") != first
