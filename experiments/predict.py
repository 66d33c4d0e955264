"""Forecast the steps after the readings of a network, in original units: the last, those at a time, or all.

    python experiments/predict.py results/PEMS08/LSTM+/RUN.json --input recent.csv --output forecast.csv
    python experiments/predict.py results/PEMS08/LSTM+/RUN.json --input year.csv --output rolled.csv --all
    python experiments/predict.py adapter.safetensors --backbone model.pt --input recent.csv --output forecast.csv

recent.csv: what datasets/prepare.py reads: a column of times and a column per sensor of the data set, named by its id,
in any order, or a row per reading; the last input_len rows are used, or those up to --at. Times are read in the data
set's time zone, where it has one, and then written with their offsets. An empty cell is a missing reading. The data
set's folder must be there, as it was when the model was trained. The forecast has a column per sensor; an id that a
spreadsheet would calculate, such as =A1, is written with ' in front, and read so too.
"""

import argparse
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from entry import command

from stlora_ext.errors import UserError
from stlora_ext.files import atomic_path, refuse_replacing
from stlora_ext.horizons import in_words
from stlora_ext.options import ModelParser, add_device, add_folders
from stlora_ext.preparation.options import add_input_options
from stlora_ext.threads import apply_tuning, set_threads

if TYPE_CHECKING:
    from stlora_ext.runs.loaded import LoadedRun


def parser() -> argparse.ArgumentParser:
    """Return the command line."""
    p = ModelParser(prog="experiments/predict.py", description=__doc__)
    p.add_argument(
        "path",
        type=Path,
        metavar="RECORD_OR_ADAPTER",
        help="record (.json) or model.pt of a finished run, or an adapter or service file (.safetensors)",
    )
    p.add_argument("--input", type=Path, required=True, metavar="CSV", help="the last readings")
    p.add_argument("--output", type=Path, required=True, metavar="CSV", help="where the forecast goes")
    p.add_argument("--at", metavar="TIME", help="forecast from the row of this time on (default: from the last)")
    p.add_argument(
        "--all",
        action="store_true",
        help="forecast from every row on: a table with time made, time forecast, sensor, forecast, reading",
    )
    add_input_options(p, "insert missing rows as missing readings")
    p.add_argument(
        "--backbone",
        type=Path,
        metavar="PATH",
        help="for an adapter or service file: checkpoint with its backbone's weights (default: model.pt beside it)",
    )
    add_device(p)
    add_folders(p, "where runs lie, for a record without its run's folder beside it")
    return p


def main(argv: Sequence[str] | None = None) -> None:
    """Run the command."""
    args = parser().parse_args(argv)
    set_threads(args.threads)
    from stlora_ext.host.devices import use_device
    from stlora_ext.preparation.options import reading_options
    from stlora_ext.preparation.recent import read_recent
    from stlora_ext.runs.loaded import load_run
    from stlora_ext.spreadsheet import safe_cell

    if args.all and args.at is not None:
        raise UserError(f"--at {args.at} names one time, --all means every one: leave one of them out")
    if args.output.is_dir():
        raise UserError(f"--output {args.output} is a folder: name the file, such as {args.output / 'forecast.csv'}")
    _refuse_its_own_files(args)
    use_device(args.gpus)
    device = f"cuda:{args.gpus}" if args.gpus else "cpu"
    run = load_run(args.path, backbone=args.backbone, data=args.data, results=args.results, device=device)
    if args.all:
        print(_roll(args, run))
        return
    values, times = read_recent(args.input, run.meta, reading_options(args), args.at, args.fill_gaps)
    table = run.forecast_window(values, times).rename(columns=safe_cell)
    with atomic_path(args.output) as temporary:
        table.to_csv(temporary)
    print(f"{args.output}: {_steps(run)} x {run.meta.num_nodes} sensors, {table.index[0]} to {table.index[-1]}")


def _roll(args: argparse.Namespace, run: "LoadedRun") -> str:
    """Forecast over the whole input and return what to say about it."""
    from stlora_ext.preparation.options import reading_options
    from stlora_ext.preparation.recent import read_whole
    from stlora_ext.runs.rolling import write_forecasts

    values, times = read_whole(args.input, run.meta, reading_options(args), args.fill_gaps)
    rolled = write_forecasts(run, values, times, args.output)
    first, last = times[run.meta.input_len - 1], times[len(values) - 1]
    said = f"{args.output}: {rolled.made:,} forecasts of {_steps(run)} x {run.meta.num_nodes} sensors"
    said += f", made from {first} to {last}"
    if rolled.left_out:
        said += f"; {rolled.left_out:,} left out, whose {run.meta.input_len} rows hold no reading"
    return said


def _steps(run: "LoadedRun") -> str:
    return f"{run.meta.output_len} steps of {in_words(run.meta.interval_seconds)}"


def _refuse_its_own_files(args: argparse.Namespace) -> None:
    """Refuse an output that would replace what the forecast is made from."""
    read = {"the input": args.input, "the record or adapter": args.path, "the backbone": args.backbone}
    refuse_replacing(args.output, read)
    if args.output.suffix.lower() not in ("", ".csv", ".txt"):
        raise UserError(f"--output {args.output} ends in '{args.output.suffix}': forecasts are CSV: name a .csv")


if __name__ == "__main__":
    apply_tuning()
    command(main)
