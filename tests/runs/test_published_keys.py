"""Every published record reproduces the hash in its key, so that a change of the code cannot rename finished runs."""

import json
from functools import cache
from pathlib import Path

import pytest

from stlora_ext.data.prepared import Meta
from stlora_ext.runs.backbone import recorded_identity
from stlora_ext.runs.build import host_config
from stlora_ext.runs.options import RunOptions
from stlora_ext.runs.record import Record
from stlora_ext.runs.rerun import rebuild
from stlora_ext.runs.store import read_record
from tests.support.commands import ROOT

PUBLISHED = ROOT / "results" / "published"


@cache
def published() -> list[Path]:
    """The published records; other files there have no key."""
    return [path for path in sorted(PUBLISHED.rglob("*.json")) if "key" in json.loads(path.read_text())]


def hashes(record: Record) -> set[str]:
    """Hash the configuration of a record, without its data: records don't say whether there was a graph."""
    key, data, lengths = record.key, record.data, record.configuration.training
    exp = rebuild(key, record.configuration.as_dict(), "record")
    null_val = float("nan") if data.null_val is None else data.null_val
    found = set()
    for has_graph in (True, False):
        meta = Meta(
            key.dataset,
            data.num_steps,
            data.num_nodes,
            data.interval,
            1440 // data.interval,
            "2024-01-01",
            null_val,
            lengths["input_len"],
            lengths["output_len"],
            data.windows,
            [],
            has_graph,
            data.fingerprint,
        )
        cfg = host_config(exp, meta, key.seed, RunOptions())
        if exp.adapts and not exp.backbone.fitted:
            cfg.backbone_hash = recorded_identity(record, exp)
        found.add(cfg.md5[:8])
    return found


def test_there_are_published_records():
    assert len(published()) >= 627


@pytest.mark.parametrize("dataset", sorted({path.relative_to(PUBLISHED).parts[0] for path in published()}))
def test_every_published_record_reproduces_its_key(dataset):
    wrong = []
    for path in published():
        if path.relative_to(PUBLISHED).parts[0] == dataset:
            record = read_record(path)
            if record.key.config_hash not in hashes(record):
                wrong.append(path.name)
    assert not wrong
