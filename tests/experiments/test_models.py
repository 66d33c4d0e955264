"""models.py says what every backbone is, has and needs, and by which check."""

import csv
import io
import os
import sys

import pytest
import torch
from torch import nn

from experiments import models
from stlora_ext.config.registry import backbones
from stlora_ext.lora.node_agnostic import node_holder
from tests.support.commands import refusal, run, succeeded
from tests.support.small import BASICTS, OURS


def rows(capsys, *arguments):
    models.main([*arguments, "--format", "csv"])
    return {row["model"]: row for row in csv.DictReader(io.StringIO(capsys.readouterr().out))}


def test_every_backbone_is_a_line_with_its_paper_and_its_parameters(capsys):
    table = rows(capsys)
    assert list(table) == backbones()
    table = {name: table[name] for name in (*OURS, *BASICTS)}  # other tests register more
    assert all(row["paper"] and int(row["adapter"]) == 7308 for row in table.values())
    assert table["AGCRN"]["parameters"] == "747440" and table["AGCRN"]["tested_with"] == "compile bf16 cuda-graphs"
    assert [name for name, row in table.items() if row["graph"] == "True"] == ["STGCN", "GWNet", "D2STGNN"]
    agnostic = [name for name, row in table.items() if not row["holds_nodes"]]
    assert agnostic == ["LSTM", "DLinear", "FITS", "HI", "NLinear", "SparseTSF", "Timer"]
    assert table["iTransformer"]["holds_nodes"] == "inputs" and table["STID"]["holds_nodes"] == "spatial_emb"


def test_names_are_printed_and_help_is_given_without_torch():
    for arguments in (["--names"], ["--help"]):
        report = run("experiments/models.py", *arguments, env={**os.environ, "PYTHONPROFILEIMPORTTIME": "1"})
        succeeded(report)
        imported = {line.rsplit("|", 1)[-1].strip() for line in report.stderr.splitlines()}
        assert "stlora_ext.cli" in imported and not imported & {"torch", "basicts", "numpy"}


def test_a_name_that_is_none_is_answered_with_the_nearest(capsys):
    assert "did you mean 'PatchTST'?" in refusal(models.main, ["--models", "PatchTSTT"], capsys)


def test_a_model_whose_package_is_missing_is_a_note_and_hides_no_other(capsys, monkeypatch):
    for name in [name for name in sys.modules if name.startswith(("einops", "basicts.models.Crossformer"))]:
        monkeypatch.delitem(sys.modules, name)
    monkeypatch.setitem(sys.modules, "einops", None)
    from stlora_ext.config import registry

    monkeypatch.setattr(registry, "_BACKBONES", {})
    models.main(["--models", "Crossformer", "NLinear"])
    out = capsys.readouterr().out
    assert "| NLinear |" in out
    assert "Crossformer can't be built here: model Crossformer needs the package einops" in out


class PerNode(nn.Module):
    def __init__(self, num_nodes):
        super().__init__()
        self.own = nn.Parameter(torch.zeros(num_nodes))

    def forward(self, inputs):
        return inputs + self.own


class Mixing(nn.Module):
    """Mixes nodes by a weight that begins at zero."""

    def __init__(self, num_nodes):
        super().__init__()
        self.share = nn.Parameter(torch.zeros(1))

    def forward(self, inputs):
        return {"prediction": inputs + self.share * inputs.mean(dim=2, keepdim=True)}


class Plain(nn.Module):
    def __init__(self, num_nodes):
        super().__init__()
        self.scale = nn.Parameter(torch.ones(1))

    def forward(self, inputs, inputs_timestamps, targets_timestamps):
        return inputs * self.scale + inputs_timestamps[..., :1] + targets_timestamps[..., :1]


@pytest.mark.parametrize(("build", "holder"), [(PerNode, "own"), (Mixing, "inputs"), (Plain, None)])
def test_a_check_names_what_holds_the_nodes(build, holder):
    assert node_holder(build) == holder
