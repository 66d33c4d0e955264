"""Forecast the steps after the last readings of a network, in original units.

    python experiments/predict.py results/PEMS08/LSTM+/RUN.json --input recent.csv --output forecast.csv
    python experiments/predict.py adapter.safetensors --backbone model.pt --input recent.csv --output forecast.csv

recent.csv: a time column first, then a column per sensor of the data set, named by its id, in any order; the last
input_len rows are used. An empty cell is a missing reading. The data set's folder must be there: its meta.json names
the sensors, its graph feeds the models that use one. The forecast has the same columns; an id that a spreadsheet would
calculate, such as =A1, is written with ' in front, and read so too.
"""

import argparse
import os
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from entry import command

from stlora_ext.errors import UserError
from stlora_ext.files import atomic_path
from stlora_ext.options import ModelParser, add_folders
from stlora_ext.threads import apply_tuning

if TYPE_CHECKING:
    import torch
    from torch import nn

    from stlora_ext.data.prepared import Meta


def parser() -> argparse.ArgumentParser:
    """Return the command line."""
    p = ModelParser(prog="experiments/predict.py", description=__doc__)
    p.add_argument(
        "path",
        type=Path,
        metavar="RECORD_OR_ADAPTER",
        help="record (.json) or model.pt of a finished run, or an adapter file (.safetensors)",
    )
    p.add_argument("--input", type=Path, required=True, metavar="CSV", help="the last readings")
    p.add_argument("--output", type=Path, required=True, metavar="CSV", help="where the forecast goes")
    p.add_argument(
        "--time-format",
        metavar="FORMAT",
        help="how --input writes times, e.g. '%%d.%%m.%%Y %%H:%%M' (default: ISO 8601)",
    )
    p.add_argument(
        "--backbone",
        type=Path,
        metavar="PATH",
        help="for an adapter file: checkpoint with its backbone's weights (default: model.pt beside it)",
    )
    add_folders(p, "where runs lie, for a record without its run's folder beside it")
    return p


def main(argv: Sequence[str] | None = None) -> None:
    """Run the command."""
    args = parser().parse_args(argv)
    import pandas as pd

    from stlora_ext.preparation.recent import read_recent, stamps
    from stlora_ext.runs.forecast import forecast
    from stlora_ext.spreadsheet import safe_cell

    if args.output.is_dir():
        raise UserError(f"--output {args.output} is a folder: name the file, such as {args.output / 'forecast.csv'}")
    _refuse_its_own_files(args)
    model, stats, meta, bf16 = _open(args)
    values, times = read_recent(args.input, meta, args.time_format)
    prediction = forecast(model, stats, meta, values, stamps(times), bf16)
    table = pd.DataFrame(
        prediction, pd.Index(times[meta.input_len :], name="time"), [safe_cell(name) for name in meta.sensor_ids]
    )
    with atomic_path(args.output) as temporary:
        table.to_csv(temporary)
    print(
        f"{args.output}: {meta.output_len} steps of {meta.interval} minutes x {meta.num_nodes} sensors, "
        f"{table.index[0]} to {table.index[-1]}"
    )


def _refuse_its_own_files(args: argparse.Namespace) -> None:
    """Refuse an output that would replace what the forecast is made from."""
    read = {"the input": args.input, "the record or adapter": args.path, "the backbone": args.backbone}
    for what, path in read.items():
        if path is not None and os.path.realpath(path) == os.path.realpath(args.output):
            raise UserError(f"--output {args.output} is {what}: name another file, this one is kept")
    if args.output.suffix in (".pt", ".safetensors", ".json"):
        raise UserError(f"--output {args.output} ends like a checkpoint, an adapter or a record: name a .csv")


def _open(args: argparse.Namespace) -> "tuple[nn.Module, dict[str, torch.Tensor], Meta, bool]":
    """Return the model in eval mode, its scaler's statistics, its data set, and whether it ran under bfloat16."""
    if args.path.suffix == ".safetensors":
        from stlora_ext.data.available import open_dataset
        from stlora_ext.runs.adapter_origin import load_adapted, read_origin

        origin = read_origin(args.path)
        meta = open_dataset(origin.exp.dataset, args.data)
        model, stats = load_adapted(origin, meta, args.data, args.backbone)
        return model, stats, meta, origin.exp.training.bf16
    if args.backbone is not None:
        raise UserError(
            f"--backbone {args.backbone}: only an adapter file (.safetensors) needs one, {args.path.name} "
            "holds the whole model; leave it out"
        )
    from stlora_ext.runs.open_run import open_run
    from stlora_ext.runs.reopen import load_run

    run, meta = open_run(args.path, args.results, args.data)
    return *load_run(run, meta, args.data), meta, run.exp.training.bf16


if __name__ == "__main__":
    apply_tuning()
    command(main)
