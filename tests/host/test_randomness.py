"""Generators: what a run has drawn goes on wherever it is resumed."""

import pytest
import torch

from stlora_ext.host.randomness import rng_state, set_rng_state


class Machine:
    """Stands for the GPUs of a machine, of which one is current; each has a generator's state: seed and offset."""

    def __init__(self, count: int, current: int, drawn: int = 0) -> None:
        self.states = [state(0) for _ in range(count)]
        self.current = current
        if count:
            self.states[current] = state(drawn)

    def install(self, monkeypatch) -> "Machine":
        stand_ins = {
            "is_initialized": lambda: bool(self.states),
            "is_available": lambda: bool(self.states),
            "device_count": lambda: len(self.states),
            "current_device": lambda: self.current,
            "get_rng_state": self.get,
            "set_rng_state": self.set,
            "get_rng_state_all": lambda: self.states,
            "set_rng_state_all": lambda states: [self.set(one, index) for index, one in enumerate(states)],
        }
        for name, stand_in in stand_ins.items():
            monkeypatch.setattr(torch.cuda, name, stand_in)
        return self

    def get(self, device="cuda"):
        return self.states[self._index(device)].clone()

    def set(self, new, device="cuda"):
        self.states[self._index(device)] = new

    def _index(self, device) -> int:
        index = device if isinstance(device, int) else torch.device(device).index
        return self.current if index is None else index


def state(drawn: int) -> torch.Tensor:
    return torch.tensor([*(3).to_bytes(8, "little"), *drawn.to_bytes(8, "little")], dtype=torch.uint8)


MACHINES = [(1, 0), (4, 0), (4, 3), (2, 1)]


@pytest.mark.parametrize("after", MACHINES)
@pytest.mark.parametrize("before", MACHINES)
@pytest.mark.parametrize("all_saved", [False, True], ids=["saved now", "saved by an earlier version"])
def test_a_run_goes_on_with_its_generator_whichever_gpus_are_there(monkeypatch, before, after, all_saved):
    machine = Machine(*before, drawn=300).install(monkeypatch)
    saved = rng_state()
    if all_saved:
        saved["cuda"] = machine.states
    assert len(saved["cuda"]) == (before[0] if all_saved else 1)
    machine = Machine(*after).install(monkeypatch)
    set_rng_state(saved)
    assert [one.tolist() for one in machine.states] == [
        state(300 * (index == after[1])).tolist() for index in range(after[0])
    ]


@pytest.mark.parametrize(("before", "after"), [((0, 0), (2, 1)), ((2, 1), (0, 0))])
def test_a_run_goes_on_between_cpu_and_gpu(monkeypatch, before, after):
    Machine(*before, drawn=5).install(monkeypatch)
    saved, drawn = rng_state(), torch.rand(3)
    machine = Machine(*after, drawn=1).install(monkeypatch)
    set_rng_state(saved)
    assert torch.equal(torch.rand(3), drawn)
    assert [one.tolist() for one in machine.states] == [state(index == after[1]).tolist() for index in range(after[0])]
