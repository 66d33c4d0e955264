"""The benchmark commands run and count right; no test asserts on a time."""

import json

import pytest
import torch
import torch.nn.functional as F

from baselines.LSTM import LSTM, LSTMConfig
from baselines.products import linear
from benchmarks import backbones, large, loop, reference
from benchmarks.backbones import training_step
from benchmarks.flops import count_flops
from experiments import table as table_command
from tests.support.commands import refusal, run, succeeded


def counted(step) -> int:
    return count_flops(torch.nn.Identity(), step, 1, 1, 1)


def test_operations_that_the_counter_misses_are_counted():
    a, b, c = torch.randn(4, 3), torch.randn(3, 5), torch.zeros(4, 5)
    assert counted(lambda: a @ b) == counted(lambda: c.addmm_(a, b)) == 2 * 4 * 3 * 5
    assert counted(lambda: linear(a, b.t())) == 2 * 4 * 3 * 5
    assert counted(lambda: torch.zeros(2, 4, 5).baddbmm_(a.expand(2, -1, -1), b.expand(2, -1, -1))) == 2 * 2 * 60


def test_attention_counts_as_its_two_products_and_five_in_backward():
    query, key, value = (torch.randn(2, 3, 40, 8, requires_grad=True) for _ in range(3))
    product = 2 * 2 * 3 * 40 * 40 * 8
    assert counted(lambda: F.scaled_dot_product_attention(query, key, value).sum().backward()) == 7 * product


@pytest.mark.filterwarnings("ignore:Sparse:UserWarning")
def test_a_sparse_matrix_counts_its_elements():
    sparse = torch.diag(torch.tensor([1.0, 0.0, 2.0, 3.0])).to_sparse_csr()
    assert counted(lambda: sparse @ torch.ones(4, 5)) == 2 * 3 * 5


def test_the_lstm_on_a_cpu_is_counted_by_its_products():
    model = LSTM(LSTMConfig(hidden_size=16, num_layers=2, end_size=8, dropout=0.0))
    rows, products = 4 * 5, 12 * 64 * (1 + 16) + 12 * 64 * (16 + 16) + 16 * 8 + 8 * 12
    counted = count_flops(model, training_step(model, torch.randn(4, 12, 5), None, torch.randn(4, 12, 5)), 4, 5, 12)
    assert abs(counted / (3 * 2 * rows * products) - 1) < 0.05  # a column of ones more, a step's gradient less


def test_an_lstm_counts_all_steps_forward_and_twice_backward():
    model = torch.nn.LSTM(3, 8, device="meta")
    assert count_flops(model, lambda: None, batch=2, num_nodes=5, input_len=12) == 3 * 2 * 2 * 5 * 12 * 4 * 8 * (3 + 8)


def test_the_backbones_benchmark_keeps_what_it_prints(tmp_path):
    printed = succeeded(
        run("benchmarks/backbones.py", "--models", "LSTM", "--nodes", "6", "--steps", "1", "--out", tmp_path / "b.json")
    )
    row = json.loads((tmp_path / "b.json").read_text())["rows"][0]
    assert (row["model"], row["nodes"], row["batch"]) == ("LSTM", 6, 64)
    assert f"{row['seconds']:.3f}" in printed


@pytest.mark.parametrize("name", ["HA", "LSTM+"])
def test_the_backbones_benchmark_takes_trained_backbones_only(name, capsys):
    assert f"--models {name}: expected one of LSTM, STGCN" in refusal(backbones.main, ["--models", name], capsys)


THEIRS = """
import torch

class Theirs(torch.nn.Module):
    def __init__(self, nodes):
        super().__init__()
        self.layer = torch.nn.Linear(3, 1)
        self.nodes = nodes

    def forward(self, stack):
        assert stack.shape[1:] == (12, self.nodes, 3)
        return self.layer(stack)

def build(num_nodes, adjacency):
    assert adjacency.shape == (num_nodes, num_nodes) and adjacency[0, 1] == 1 and adjacency[0, 3] == 1
    return Theirs(num_nodes)
"""


def test_another_implementation_is_measured_beside_ours(tmp_path):
    (tmp_path / "theirs.py").write_text(THEIRS)
    printed = succeeded(
        run(
            "benchmarks/reference.py",
            f"LSTM={tmp_path / 'theirs.py'}",
            "--nodes",
            "6",
            "--batch",
            "2",
            "--rounds",
            "1",
            "--out",
            tmp_path / "r.json",
        )
    )
    (row,) = json.loads((tmp_path / "r.json").read_text())["rows"]
    assert (row["model"], row["nodes"], row["batch"]) == ("LSTM", 6, 2)
    assert row["share"] == row["ours"] / row["theirs"]
    assert f"| {row['share']:.2f} |" in printed


@pytest.mark.parametrize(
    ("pair", "text", "said"),
    [
        ("LSTM", "", "LSTM: expected NAME=FILE"),
        ("VAR=theirs.py", "", "VAR: expected a trained backbone"),
        ("LSTMM=theirs.py", "", "unknown model 'LSTMM': did you mean 'LSTM'"),
        ("LSTM=absent.py", "", "absent.py does not exist"),
        ("LSTM=theirs.py", "x = 1", "expected a function build(num_nodes, adjacency)"),
        ("LSTM=theirs.py", "import absent_module", "theirs.py, line 1: ModuleNotFoundError"),
        ("LSTM=theirs.py", "raise SystemExit(0)", "theirs.py ended by itself (exit code 0): expected build("),
        ("LSTM=theirs.py", "def build(nodes): pass", "the other implementation fails: TypeError: build() takes 1"),
        (
            "LSTM=theirs.py",
            THEIRS.replace("Linear(3, 1)", "Linear(3, 2)"),
            "forecasts (2, 12, 6, 2), expected (2, 12, 6)",
        ),
    ],
)
def test_what_is_no_other_implementation_is_refused(pair, text, said, tmp_path, capsys):
    (tmp_path / "theirs.py").write_text(text)
    pair = pair.replace("=", f"={tmp_path}/")
    assert said in refusal(reference.main, [pair, "--nodes", "6", "--batch", "2", "--rounds", "1"], capsys)


def test_the_benchmark_of_operations_keeps_what_it_prints(tmp_path):
    printed = succeeded(run("benchmarks/operations.py", "--rounds", "1", "--out", tmp_path / "o.json"))
    for row in json.loads((tmp_path / "o.json").read_text())["rows"]:
        assert f"| {row['operation']} | {row['torch_ms']:.1f} |" in printed


def test_the_var_benchmark_keeps_what_it_prints(tmp_path):
    printed = succeeded(run("benchmarks/var.py", "--nodes", "5", "--rows", "80", "--out", tmp_path / "v.json"))
    assert printed.startswith("VAR, 5 nodes, 80 rows")
    assert json.loads((tmp_path / "v.json").read_text())["seconds"] > 0


def test_the_new_sensors_benchmark_keeps_what_it_prints(tmp_path):
    size = ("--nodes", "9", "--new", "2", "--days", "1", "--threads", "1")
    printed = succeeded(run("benchmarks/new_sensors.py", *size, "--out", tmp_path / "n.json"))
    [row] = json.loads((tmp_path / "n.json").read_text())["rows"]
    assert (row["nodes"], row["new"], row["days"]) == (9, 2, 1)
    assert row["expand"] > 0 and row["fit"] > 0 and row["peak_mib"] >= 0
    assert row["kilobytes"] == 4 * 2 * 16 / 1000  # 16 numbers in all layers
    assert f"| 9 | 2 | 1 | {row['expand']:.3f} | {row['fit']:.2f} |" in printed


def test_the_benchmark_of_large_networks_keeps_what_it_prints(tmp_path):
    size = ("--models", "STID+", "--nodes", "9", "--steps", "1", "--threads", "1", "--memory", "2")
    printed = succeeded(run("benchmarks/large.py", *size, "--out", tmp_path / "l.json"))
    content = json.loads((tmp_path / "l.json").read_text())
    [row] = content["rows"]
    assert (row["model"], row["nodes"], row["parts"], content["memory"]) == ("STID+", 9, 1, 2)
    assert row["estimate"] > 0 and row["process"] > row["growth"] > 0 and row["seconds"] > 0
    assert f"| STID+ | 9 | 32 | 1 | 64 | {row['estimating']:.2f} | {row['estimate']:.2f} |" in printed


def test_the_benchmark_of_large_networks_takes_trained_models_only(capsys):
    assert "--models VAR+: expected models that are trained" in refusal(large.main, ["--models", "VAR+"], capsys)


def test_an_unknown_backbone_is_refused_by_name(capsys):
    assert "unknown model 'LSTMM': did you mean 'LSTM'" in refusal(
        backbones.main, ["--models", "LSTMM", "--nodes", "6"], capsys
    )


def test_the_adapters_benchmark_keeps_what_the_table_shows(tmp_path):
    printed = succeeded(
        run(
            "benchmarks/adapter.py",
            "--nodes",
            "5",
            "9",
            "--steps",
            "2",
            "--set",
            "sharing=node",
            "rank=1",
            "--out",
            tmp_path / "a.json",
        )
    )
    content = json.loads((tmp_path / "a.json").read_text())
    assert [row["nodes"] for row in content["rows"]] == [5, 9]
    # Per node, one A of rank 1 and width 32 in each of two layers.
    assert content["rows"][1]["parameters"] - content["rows"][0]["parameters"] == 4 * 2 * 32
    assert content["settings"]["sharing"] == "node"
    table = succeeded(run("experiments/table.py", "--benchmark", tmp_path / "a.json"))
    assert table in printed and "| 5 | " in table


def test_what_an_adapter_adds_is_in_its_interval(tmp_path):
    small = ["--models", "LSTM", "--nodes", "5", "--batch", "2", "--pairs", "9"]
    printed = succeeded(run("benchmarks/on_top.py", *small, "--out", tmp_path / "o.json"))
    row = json.loads((tmp_path / "o.json").read_text())["rows"][0]
    assert row["low"] < row["percent"] < row["high"] and row["pairs"] == 9
    assert f"| {row['percent']:+.2f} |" in printed


def test_a_file_that_is_no_benchmark_is_refused(tmp_path, capsys):
    (tmp_path / "b.json").write_text("[]")
    assert "is no benchmark that a table can be made of" in refusal(
        table_command.main, ["--benchmark", tmp_path / "b.json"], capsys
    )
    assert "does not exist" in refusal(table_command.main, ["--benchmark", tmp_path / "absent.json"], capsys)


@pytest.mark.parametrize("name", loop.MODELS)
def test_the_loop_benchmark_builds_its_models(name):
    model, settings, _ = loop.build(name, 4)
    assert sum(parameter.numel() for parameter in model(settings).parameters()) > 0


def test_the_loop_benchmark_measures_stock_and_ours_on_the_same_steps(tmp_path, capsys):
    printed = succeeded(
        run(
            "benchmarks/loop.py",
            "--models",
            "NLinear",
            "--rounds",
            "1",
            "--nodes",
            "4",
            "--days",
            "2",
            "--threads",
            "1",
            "--out",
            tmp_path / "l.json",
        )
    )
    (row,) = json.loads((tmp_path / "l.json").read_text())["rows"]
    assert f"| NLinear | {row['stock']:.2f} | {row['tuned']:.2f} | {row['ours']:.2f} |" in printed
    assert row["training"] == pytest.approx(row["stock"] / row["ours"])
    assert all(run["step"] > 0 and run["validation"] > 0 for runs in row["runs"].values() for run in runs)
    assert "did you mean 'LSTM'" in refusal(loop.main, ["--models", "LSTMM"], capsys)
