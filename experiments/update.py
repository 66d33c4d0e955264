"""Update the adapter of a trained model with its latest readings, as protocol stream does, into a new file.

    python experiments/update.py results/PEMS08/LSTM/RUN.json --input recent.csv --output service/1.safetensors
    python experiments/update.py service/1.safetensors --input recent.csv --output service/2.safetensors

The first update begins with the run of a backbone, whose adapter starts at zero, with the run or file of an adapter, or
with a run of protocol stream; the next ones with the file that the last one wrote. recent.csv is what predict.py
reads; it has to hold the memory (14 days, stream.memory) and an input window. The backbone stays as it is. The file
that is named isn't changed: to take an update back, go on from the older file.

    python experiments/update.py service/2.safetensors --input all.csv --output service/3.safetensors --add-sensors

adds the sensors whose columns the adapter doesn't know, without an update: their rows are fitted on all readings that
all.csv holds of them, and nothing else changes. From then on the model is used with all columns.
"""

import argparse
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from entry import command

from stlora_ext.errors import UserError
from stlora_ext.files import refuse_replacing
from stlora_ext.options import ModelParser, add_device, add_folders, add_set
from stlora_ext.preparation.options import add_input_options
from stlora_ext.threads import apply_tuning, set_threads

if TYPE_CHECKING:
    from stlora_ext.runs.service import Start

NAMED = 5  # sensors of a fit that are printed


def parser() -> argparse.ArgumentParser:
    """Return the command line."""
    p = ModelParser(prog="experiments/update.py", description=__doc__)
    p.add_argument(
        "path",
        type=Path,
        metavar="RECORD_OR_ADAPTER",
        help="record (.json) or model.pt of a finished run, an adapter file or a service file (.safetensors)",
    )
    p.add_argument("--input", type=Path, required=True, metavar="CSV", help="the last readings")
    p.add_argument("--output", type=Path, required=True, metavar="FILE", help="the new file, .safetensors")
    p.add_argument(
        "--add-sensors", action="store_true", help="add the sensors of the input's unknown columns, without an update"
    )
    p.add_argument("--again", action="store_true", help="take an input without new readings, too")
    p.add_argument("--force", action="store_true", help="replace --output where it is there")
    add_set(p, "any setting stream.X, for example stream.lr=0.003; where the adapter starts at zero adapter.X too")
    p.add_argument(
        "--seed", type=int, metavar="S", help="of what the updates draw, before the first (default: the run's, else 0)"
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
    from stlora_ext.fields import parse_assignments
    from stlora_ext.runs.service import open_start

    if args.output.suffix != ".safetensors":
        raise UserError(f"--output {args.output}: expected a name that ends in .safetensors")
    if args.output.is_dir():
        raise UserError(f"--output {args.output} is a folder: name the file, such as {args.output / 'new.safetensors'}")
    read = {"the input": args.input, "the file that is updated": args.path, "the backbone": args.backbone}
    refuse_replacing(args.output, read)
    if not args.force and args.output.exists():
        raise UserError(f"--output {args.output} exists: name a new file, or replace it with --force")
    for option, given in (("--again", args.again), ("--set", args.assignments)):
        if args.add_sensors and given:
            raise UserError(f"{option}: not with --add-sensors, which makes no update; leave it out")
    start = open_start(
        args.path,
        args.data,
        args.results,
        backbone=args.backbone,
        given=parse_assignments(args.assignments),
        seed=args.seed,
    )
    refuse_replacing(args.output, {"the file that is updated": start.source})
    (_add if args.add_sensors else _update)(args, start)


def _update(args: argparse.Namespace, start: "Start") -> None:
    """Update once and say what that did."""
    from stlora_ext.preparation.last_rows import read_last_rows
    from stlora_ext.preparation.options import reading_options
    from stlora_ext.runs.service_update import for_new_sensors, update_service

    options, remedy = reading_options(args), for_new_sensors(start)
    done = update_service(
        start,
        lambda rows, why: read_last_rows(args.input, start.meta, rows, why, options, args.fill_gaps, remedy),
        args.output,
        args.data,
        args.gpus,
        args.again,
    )
    print(f"{start.title}: update {done.index} of {start.said}, readings up to {done.until}, {done.new:,} of them new")
    if done.before is None or done.after is None:
        print("  the newest day holds no reading to compare a forecast with")
    else:
        print(f"  MAE over the newest day: {done.before:.4g} before, {done.after:.4g} after")
    print(f"  {args.output}: {done.size / 1000:.1f} kB")


def _add(args: argparse.Namespace, start: "Start") -> None:
    """Add sensors and say how their rows came about."""
    from stlora_ext.preparation.new_columns import read_with_new
    from stlora_ext.preparation.options import reading_options
    from stlora_ext.runs.service_sensors import add_sensors

    options = reading_options(args)
    done = add_sensors(
        start, lambda: read_with_new(args.input, start.meta, options, args.fill_gaps), args.output, args.gpus
    )
    print(f"{start.title}: {len(done.names)} sensors added to {start.said}, readings up to {done.until}")
    for fit in done.fits:
        how = "readings shorter than a window, so the row is the mean of the known sensors'"
        if fit["windows"]:
            how = f"fitted on up to {fit['windows']:,} windows, ridge {fit['ridge']:g}"
        print(f"  {_some(fit['sensors'])}: {how}")
    if not done.fits:
        print("  the adapter has no weights per sensor: nothing was fitted")
    print(f"  {args.output}: {done.size / 1000:.1f} kB")


def _some(names: Sequence[str]) -> str:
    more = f" and {len(names) - NAMED} more" if len(names) > NAMED else ""
    return f"{', '.join(names[:NAMED])}{more}"


if __name__ == "__main__":
    apply_tuning()
    command(main)
