"""What steps of a model really take: a command whose processes grow, one for the estimate and one for the steps."""

import json
import os
import resource
import sys
from collections.abc import Callable

import torch

from stlora_ext.config.experiment import Experiment, experiment
from stlora_ext.host.metrics import MaskedMAE
from stlora_ext.lora.sample import forward, sample_batch, sample_window
from stlora_ext.runs.build import build_model
from stlora_ext.runs.memory_need import memory_need
from tests.support.small import data_folder, meta

NODES, MIB = 40, 200
FEWER = {"STAE": {"num_layers": 1}, "D2STGNN": {"num_layers": 2}}  # a step of all layers takes long


def main(names: list[str]) -> None:
    """Print a line of JSON for each model: the estimate and the growth, in bytes."""
    torch.set_num_threads(1)
    for name in names:
        estimate, windows = in_a_process(estimated, name)
        print(json.dumps({"name": name, "estimate": estimate, "growth": in_a_process(grown, name, windows)}))


def in_a_process(function: Callable, *args):
    """Return what the function returns in a process of its own, whose peak memory is its own."""
    reading, writing = os.pipe()
    child = os.fork()
    if not child:
        os.write(writing, json.dumps(function(*args)).encode())
        os._exit(0)
    assert os.waitpid(child, 0)[1] == 0
    return json.loads(os.read(reading, 4096))


def described(name: str) -> Experiment:
    return experiment("SMALL", name, model_settings=FEWER.get(name.removesuffix("+"), {})).with_lengths(12, 12)


def estimated(name: str) -> tuple[int, int]:
    """Return what a step needs whose passes take ``MIB``, without the data, and its windows."""
    exp, described_data = described(name), meta(NODES)
    need = memory_need(
        build_model(exp, described_data, data_folder(NODES)), exp, described_data, torch.device("cpu"), 0
    )
    windows = MIB * 2**20 // need.backward.per_window
    return need.training(windows), windows


def grown(name: str, windows: int) -> int:
    """Return by how much this process grows with two steps on so many windows, after one on two."""
    exp = described(name)
    model = build_model(exp, meta(NODES), data_folder(NODES)).train()
    optimizer = torch.optim.Adam(model.parameters())

    def step(size: int) -> None:
        batch = sample_batch(sample_window(12, NODES, size), 288, 24)
        forecast = forward(model, batch) * 2.0 + 1.0
        MaskedMAE()(forecast, batch["targets"], torch.ones_like(batch["targets"], dtype=torch.bool)).backward()
        optimizer.step()
        optimizer.zero_grad()

    step(2)
    before = peak()
    for _ in range(2):
        step(windows)
    return peak() - before


def peak() -> int:
    return 1024 * resource.getrusage(resource.RUSAGE_SELF).ru_maxrss


if __name__ == "__main__":
    main(sys.argv[1:])
