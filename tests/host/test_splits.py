"""Where a split's tensors lie changes no number: on the device, in memory, or in a mapped file."""

import errno

import numpy as np
import pytest
import torch

from stlora_ext.host import splits
from stlora_ext.host.scaler import GlobalZScoreScaler

from .toy import run_ours, same, weights


def placed(folder, rows=9000):
    values = np.random.default_rng(2).normal(50, 9, (rows, 3)).astype(np.float32)
    values[::7] = 0.0
    scaler = GlobalZScoreScaler(False, True, 0.0)
    scaler.fit(values)
    return splits.place_split(values, np.zeros((rows, 2), np.float32), scaler, 0.0, torch.device("cpu"), folder)


@pytest.fixture
def no_memory(monkeypatch):
    """A machine with no memory to spare."""
    monkeypatch.setattr(splits, "free_bytes", lambda device: 0)


def test_a_split_that_does_not_fit_into_memory_is_mapped_and_equal(tmp_path, monkeypatch):
    resident, made = placed(tmp_path), []
    monkeypatch.setattr(splits, "free_bytes", lambda device: 0)
    monkeypatch.setattr(
        splits.np, "memmap", lambda *given, memmap=np.memmap, **named: made.append(given) or memmap(*given, **named)
    )
    mapped = placed(tmp_path)
    for one, other in zip(vars(resident).values(), vars(mapped).values(), strict=True):
        assert torch.equal(one, other)
    assert len(made) == 3  # scaled, original, mask
    assert list(tmp_path.iterdir()) == []


def test_a_run_over_mapped_splits_ends_like_one_in_memory(world, tmp_path, no_memory, monkeypatch):
    mapped = run_ours(world, tmp_path / "mapped")
    monkeypatch.undo()
    resident = run_ours(world, tmp_path / "resident")
    assert same(weights(mapped), weights(resident))
    assert mapped.test_result == resident.test_result


def test_a_disk_without_room_for_a_mapped_split_is_an_error_at_once(tmp_path, no_memory, monkeypatch):
    def full(*_):
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(splits.os, "posix_fallocate", full)
    with pytest.raises(OSError, match="No space left"):
        placed(tmp_path)
    assert list(tmp_path.iterdir()) == []
