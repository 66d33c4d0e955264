"""Batches of windows are slices of the rows, whatever the lengths, the batch size and the order."""

import torch
from hypothesis import given
from hypothesis import strategies as st

from stlora_ext.data.windows import SplitTensors, WindowBatches
from tests.support.profile import steady

SHAPES = st.fixed_dictionaries(
    {
        "windows": st.integers(1, 40),
        "nodes": st.integers(1, 4),
        "input_len": st.integers(1, 9),
        "output_len": st.integers(1, 9),
        "batch": st.integers(1, 50),
    }
)


def split(shape, seed, stamps=True):
    """Rows of random numbers."""
    generator = torch.Generator().manual_seed(seed)
    rows = shape["windows"] + shape["input_len"] + shape["output_len"] - 1
    values = torch.randn(2, rows, shape["nodes"], generator=generator)
    return SplitTensors(
        *values,
        torch.rand(rows, shape["nodes"], generator=generator) > 0.3,
        torch.rand(rows, 2, generator=generator) if stamps else None,
    )


@steady
@given(SHAPES, st.integers(0, 99), st.booleans(), st.one_of(st.none(), st.integers(0, 99)))
def test_batches_are_slices_of_the_rows(shape, seed, stamps, shuffled):
    rows, ahead = split(shape, seed, stamps), shape["input_len"]
    last = ahead + shape["output_len"]
    count = shape["windows"]
    order = list(range(count))
    if shuffled is not None:
        order = torch.randperm(count, generator=torch.Generator().manual_seed(shuffled)).tolist()
    batches = WindowBatches(
        rows,
        ahead,
        shape["output_len"],
        shape["batch"],
        None if shuffled is None else lambda number: torch.tensor(order[:number]),
    )
    batches.per_window = {"cached": torch.arange(count * 3.0).view(count, 3)}
    given_back = list(batches)
    assert len(batches) == len(given_back) and batches.num_windows == count
    assert [len(batch["inputs"]) for batch in given_back[:-1]] == [shape["batch"]] * (len(given_back) - 1)
    joined = {name: torch.cat([batch[name] for batch in given_back]) for name in given_back[0]}
    for index, first in enumerate(order):
        wanted = {
            "inputs": rows.scaled[first : first + ahead],
            "inputs_mask": rows.mask[first : first + ahead],
            "targets": rows.original[first + ahead : first + last],
            "targets_mask": rows.mask[first + ahead : first + last],
            "cached": batches.per_window["cached"][first],
        }
        if stamps:
            wanted |= {
                "inputs_timestamps": rows.timestamps[first : first + ahead],
                "targets_timestamps": rows.timestamps[first + ahead : first + last],
            }
        assert joined.keys() == wanted.keys()
        assert all(torch.equal(joined[name][index], value) for name, value in wanted.items())


@steady
@given(SHAPES, st.integers(0, 99))
def test_the_batch_size_changes_no_window(shape, seed):
    rows = split(shape, seed)
    (whole,) = WindowBatches(rows, shape["input_len"], shape["output_len"], shape["windows"])
    parts = list(WindowBatches(rows, shape["input_len"], shape["output_len"], shape["batch"]))
    assert all(torch.equal(value, torch.cat([part[name] for part in parts])) for name, value in whole.items())
