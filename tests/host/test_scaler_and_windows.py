"""N2: the scaler's statistics; and batches of windows, which replace BasicTS's loader."""

import numpy as np
import pytest
import torch
from basicts.scaler import ZScoreScaler

from stlora_ext.data.windows import SplitTensors, WindowBatches
from stlora_ext.errors import UserError
from stlora_ext.host.randomness import rng_state, set_rng_state, shuffled
from stlora_ext.host.scaler import GlobalZScoreScaler, observed

ROWS, NODES = 9000, 3  # more rows than the scaler takes at a time


def sample(null_val: float) -> tuple[np.ndarray, np.ndarray]:
    """Readings with missing ones, and where a reading is there."""
    generator = np.random.default_rng(1)
    values = generator.normal([10.0, 500.0, -30.0], [1.0, 90.0, 5.0], (ROWS, NODES)).astype(np.float32)
    there = generator.random(values.shape) > 0.2
    return np.where(there, values, np.float32(null_val)), there


@pytest.mark.parametrize("null_val", [0.0, -1.0, np.nan])
@pytest.mark.parametrize("each", [False, True], ids=["one pair", "a pair per node"])
def test_statistics_are_those_of_the_readings_that_are_there(null_val, each):
    """N2: numpy in float64 on the same readings agrees; zeros that mean missing do not count."""
    values, there = sample(null_val)
    scaler = GlobalZScoreScaler(each, True, null_val)
    scaler.fit(values)
    wanted = np.where(there, values.astype(np.float64), np.nan)
    mean, std = (f(wanted, axis=0 if each else None) for f in (np.nanmean, np.nanstd))
    np.testing.assert_allclose(scaler.stats["mean"].numpy(), mean, rtol=1e-6)
    np.testing.assert_allclose(scaler.stats["std"].numpy(), std, rtol=1e-6)
    mask = torch.from_numpy(there)
    scaled = scaler.transform(torch.from_numpy(values), mask)
    np.testing.assert_allclose(
        scaled.numpy(), np.where(there, (np.nan_to_num(wanted) - mean) / std, 0), rtol=1e-4, atol=1e-5
    )
    back = scaler.inverse_transform(scaled, mask)
    np.testing.assert_allclose(back.numpy(), np.nan_to_num(wanted), rtol=1e-5, atol=1e-4)


def test_stock_has_no_single_pair_and_counts_missing_readings():
    """N2: stock crashes on one pair for the network, takes zeros for readings, and turns NaN into NaN."""
    with pytest.raises(TypeError):
        ZScoreScaler(norm_each_channel=False, rescale=True).fit(sample(0.0)[0])
    for null_val in (0.0, np.nan):
        stock, ours = ZScoreScaler(True, True), GlobalZScoreScaler(True, True, null_val)
        for scaler in (stock, ours):
            scaler.fit(sample(null_val)[0])
        assert not torch.isclose(stock.stats["mean"].flatten(), ours.stats["mean"], rtol=0.1).any()


def test_nan_is_missing_whatever_else_is():
    """N2: with null value 0, NaN is missing too; near to the null value is missing, farther is a reading."""
    values = torch.tensor([[torch.nan, 0.0, 4.9e-5, 5.1e-5, -4.9e-5, -1.0]])
    assert observed(values, 0.0).tolist() == [[False, False, False, True, False, True]]
    assert observed(values, np.nan).tolist() == [[False, True, True, True, True, True]]


def test_degenerate_readings():
    """N2: constant readings are scaled by 1, a node without readings too; none at all is an error."""
    scaler = GlobalZScoreScaler(True, True, 0.0)
    scaler.fit(np.array([[5.0, 0.0], [5.0, 0.0]], dtype=np.float32))
    assert scaler.stats["std"].tolist() == [1.0, 1.0]
    assert scaler.stats["mean"].tolist() == [5.0, 0.0]
    with pytest.raises(UserError, match="hold no reading at all"):
        GlobalZScoreScaler(False, True, 0.0).fit(np.zeros((4, 2), dtype=np.float32))


def test_statistics_that_are_there_stay():
    """An evaluation takes the statistics of the checkpoint."""
    stats = {"mean": torch.tensor(1.0), "std": torch.tensor(2.0)}
    scaler = GlobalZScoreScaler(False, True, 0.0, stats=dict(stats))
    scaler.fit(sample(0.0)[0])
    assert scaler.stats == stats


@pytest.mark.parametrize("batch_size", [1, 4, 13, 50])
@pytest.mark.parametrize("timestamps", [True, False])
def test_batches_are_the_slices_of_a_plain_loop(batch_size, timestamps):
    """Every window appears once, in the order asked for, cut as BasicTS cuts it."""
    rows, inputs, outputs = 20, 5, 3
    table = torch.arange(rows * 2.0).view(rows, 2)
    split = SplitTensors(
        scaled=table, original=table + 1000, mask=table % 3 > 0, timestamps=table / 100 if timestamps else None
    )
    order = torch.randperm(13, generator=torch.Generator().manual_seed(0))
    batches = WindowBatches(split, inputs, outputs, batch_size, lambda count: order)
    assert batches.num_windows == rows - inputs - outputs + 1 == 13
    found = list(batches)
    assert [len(batch["inputs"]) for batch in found] == [min(batch_size, 13 - i) for i in range(0, 13, batch_size)]
    assert len(found) == len(batches)
    assert ("inputs_timestamps" in found[0]) == timestamps
    sources = {
        "inputs": split.scaled,
        "inputs_mask": split.mask,
        "targets": split.original,
        "targets_mask": split.mask,
        "inputs_timestamps": split.timestamps,
        "targets_timestamps": split.timestamps,
    }
    for name in found[0]:
        slices = [
            sources[name][i : i + inputs]
            if name.startswith("inputs")
            else sources[name][i + inputs : i + inputs + outputs]
            for i in order.tolist()
        ]
        assert torch.equal(torch.cat([batch[name] for batch in found]), torch.stack(slices))


def test_without_an_order_windows_come_as_they_lie():
    """Evaluation does not shuffle, in every iteration alike."""
    table = torch.arange(8.0).view(8, 1)
    batches = WindowBatches(SplitTensors(table, table, table > 0, None), 2, 1, 4)
    for _ in range(2):
        assert torch.cat([batch["inputs"][:, 0, 0] for batch in batches]).tolist() == [0, 1, 2, 3, 4, 5]


def test_the_order_of_an_epoch_hangs_on_seed_and_epoch():
    """U1: it is a permutation, repeats itself for the same seed and epoch, and for no other."""
    one = shuffled(50, seed=3, epoch=2)
    torch.rand(3)
    assert sorted(one.tolist()) == list(range(50))
    assert torch.equal(one, shuffled(50, seed=3, epoch=2))
    assert not torch.equal(one, shuffled(50, seed=3, epoch=3))
    assert not torch.equal(one, shuffled(50, seed=4, epoch=2))


def test_every_generator_is_restored_through_a_safe_file(tmp_path):
    """U1: Python's, numpy's and torch's draws continue where the saved state was, half a Gaussian pair included."""
    import random

    def draw() -> tuple:
        return random.gauss(0, 1), np.random.standard_normal(), torch.rand(1).item()  # noqa: NPY002

    draw()
    torch.save(rng_state(), tmp_path / "rng.pt")
    drawn = [draw() for _ in range(3)]
    set_rng_state(torch.load(tmp_path / "rng.pt", weights_only=True))
    assert [draw() for _ in range(3)] == drawn


def test_windows_in_their_order_are_those_that_are_gathered_by_index():
    """Evaluation takes views of the split; what it sees is what a list of the same windows would give."""
    generator = torch.Generator().manual_seed(1)
    split = SplitTensors(
        *(torch.rand(40, NODES, generator=generator) for _ in range(2)),
        torch.rand(40, NODES, generator=generator) > 0.3,
        torch.rand(40, 2, generator=generator),
    )
    in_order, listed = (WindowBatches(split, 5, 3, 8, order) for order in (None, torch.arange))
    for batches in (in_order, listed):
        batches.per_window = {"forecast": torch.rand(33, 3, NODES, generator=torch.Generator().manual_seed(2))}
    assert len(in_order) == len(list(in_order)) == 5
    for one, other in zip(in_order, listed, strict=True):
        assert one.keys() == other.keys()
        for name in one:
            assert torch.equal(one[name], other[name]), name
        assert one["inputs"].is_contiguous() and one["inputs_mask"].is_contiguous()
        assert one["targets"].untyped_storage().data_ptr() == split.original.untyped_storage().data_ptr()
