"""Runs in two processes, protocol by protocol: records like those of one process, which say how many there were."""

from dataclasses import replace
from pathlib import Path

import pytest

from stlora_ext.config.experiment import Experiment
from stlora_ext.errors import UserError
from stlora_ext.host.devices import use_device
from stlora_ext.runs.options import RunOptions
from stlora_ext.runs.record import Process, Record
from stlora_ext.runs.reopen import find_run
from stlora_ext.runs.rerun import how_to_repeat
from stlora_ext.runs.run import train_run
from stlora_ext.runs.store import read_record
from stlora_ext.runs.verify import verify
from tests.support.reopened import data, quick, quick_meta
from tests.support.streamed import EVERY


def stream() -> Experiment:
    """A stream that goes on from an adapted backbone, which is trained first: three runs."""
    exp = quick("LSTM+", num_epochs=2).override(
        {"model.dropout": 0.0, "stream.every": EVERY, "stream.steps": 2, "stream.start": "adapted"}
    )
    return exp.with_protocol("stream")


WAYS = {"one": {}, "two": {"processes": 2}, "parts": {"parts": 2}}
PROTOCOLS = ("joint", "adapt", "stream")


@pytest.fixture(scope="module")
def ways(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """The results of the three runs in one process, in two, and in one that runs batches in parts."""
    use_device("")
    folders = {}
    for way, asked in WAYS.items():
        folders[way] = tmp_path_factory.mktemp(way)
        train_run(stream(), quick_meta(), 0, RunOptions(data(), folders[way], train_backbone=True, **asked))
    return folders


def record_of(results: Path, protocol: str) -> Record:
    """The record of a protocol's run."""
    (path,) = results.rglob(f"{protocol}-*-seed0.json")
    return read_record(path)


@pytest.mark.parametrize("way", ["two", "parts"])
@pytest.mark.parametrize("protocol", PROTOCOLS)
def test_a_run_has_the_key_and_the_scores_of_one_process(ways, protocol, way):
    one, other = (record_of(ways[name], protocol) for name in ("one", way))
    assert other.key == one.key
    assert other.scores.num_targets == one.scores.num_targets
    for metric in ("MAE", "RMSE"):
        assert other.scores.average[metric] == pytest.approx(one.scores.average[metric], rel=1e-5)
    if protocol == "stream":
        assert other.stream.loss == pytest.approx(one.stream.loss, rel=1e-5)


def test_a_record_says_how_many_processes_and_parts_there_were(ways):
    def told(way: str) -> set[tuple[int, int]]:
        records = [record_of(ways[way], protocol) for protocol in PROTOCOLS]
        processes = [process for record in records for process in (record.provenance, *record.processes)]
        return {(process.data_parallel, process.parts) for process in processes}

    assert (told("one"), told("two"), told("parts")) == ({(1, 1)}, {(2, 1)}, {(1, 2)})
    assert not {"data_parallel", "parts"} & record_of(ways["one"], "joint").content["provenance"].keys()
    assert (Process.of({}).data_parallel, Process.of({}).parts) == (1, 1)


@pytest.mark.parametrize(("way", "said"), [("two", "--processes 2"), ("parts", "--parts 2")])
def test_the_command_that_repeats_a_run_cuts_its_batches_alike(ways, way, said):
    assert said in how_to_repeat(record_of(ways[way], "joint"), quick_meta(), ways[way], data())
    assert said not in how_to_repeat(record_of(ways["one"], "joint"), quick_meta(), ways["one"], data())


def test_a_stream_of_two_processes_is_verified_by_two(ways):
    """Its updates are walked again; with one process its weights would differ by rounding."""
    (path,) = ways["two"].rglob("stream-*-seed0.json")
    assert verify(find_run(path, ways["two"]), quick_meta(), data()).difference is None


def test_a_batch_that_is_too_small_for_a_stream_is_refused(tmp_path):
    exp = stream()
    exp = replace(exp, stream=replace(exp.stream, batch_size=2))
    with pytest.raises(UserError, match="--processes 3: that is 3 parts of a batch, which has 2 windows"):
        train_run(exp, quick_meta(), 0, RunOptions(data(), tmp_path, processes=3))
