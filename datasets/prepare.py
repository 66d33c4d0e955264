"""Prepare a data set: raw readings (and a road graph) -> datasets/NAME in BasicTS 1.1.0's layout.

    python datasets/prepare.py PEMS08 --raw PEMS08.npz --graph PEMS08.csv
    python datasets/prepare.py METR-LA --raw metr-la.h5 --graph adj_mx.pkl
    python datasets/prepare.py MINE --raw mine.csv --graph edges.csv
    python datasets/prepare.py MINE --raw mine.csv --distances metres.csv
    python datasets/prepare.py MINE --raw mine.csv --positions places.csv --neighbors 8

Raw readings: a table with a column per sensor or a row per reading (.csv, .tsv, .txt, LibCity's .dyna, pandas's .h5,
.parquet, .xlsx), .npz, .npy, or a folder that BasicTS 0.5.8 or 1.1.0 prepared. Graph: .csv (edges or a matrix), .npy,
.npz, LibCity's .rel, adj_mx.pkl; or from --distances, or from --positions and --neighbors. docs/data.md has a recipe
for each.
"""

import argparse
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from entry import Parser, command

from stlora_ext.data.catalog import USUAL_LEN
from stlora_ext.preparation.options import add_reading_options, reading_options

DATASETS = Path(__file__).resolve().parent


def parser() -> Parser:
    """Return the parser of the command line."""
    result = Parser(prog="datasets/prepare.py", description=__doc__)
    add = result.add_argument
    add(
        "name",
        metavar="NAME",
        help="a known set (PEMS03 PEMS04 PEMS07 PEMS08 METR-LA PEMS-BAY, PEMS08-TAIL METR-LA-29 METR-LA-29-STREAM "
        "LOS-LOOP NYC-TAXI NYC-TAXI-2019 MELBOURNE-PED) or a name of your own",
    )
    add("--raw", type=Path, required=True, metavar="PATH", help="the readings")
    add("--graph", type=Path, metavar="PATH", help="the road graph; without it, the one in the raw file or none")
    add("--graph-key", metavar="KEY", help="array of an .npz graph archive (default: NAME, or adj)")
    add(
        "--distances",
        type=Path,
        metavar="PATH",
        help="distances between sensors, instead of --graph: near ones weigh most",
    )
    add("--sigma", type=float, metavar="D", help="width of their kernel (default: their standard deviation)")
    add("--threshold", type=float, metavar="W", help="lowest weight that is an edge (default 0.1)")
    add("--positions", type=Path, metavar="PATH", help="latitude and longitude of the sensors: name,latitude,longitude")
    add("--neighbors", type=positive, metavar="K", help="make the graph of each sensor's K nearest by position")
    add("--subset", action="store_true", help="leave out sensors of these files that the readings do not have")
    add("--ids", type=Path, metavar="PATH", help="sensor ids, one a line, in the order of the columns (PEMS03)")
    add("--allow-other-shape", action="store_true", help="go on where a known set has not its official shape")
    add("--fill-gaps", action="store_true", help="insert rows that are missing in time as missing readings")
    for kind, what in (("input", "input"), ("output", "forecast")):
        add(
            f"--{kind}-len",
            type=positive,
            default=USUAL_LEN,
            metavar="STEPS",
            help=f"{what} steps of a window (default {USUAL_LEN}); runs take them from the data set",
        )
    add("--data", type=Path, default=DATASETS, metavar="DIR", help="where NAME/ is written (default: datasets/)")
    add("--force", action="store_true", help="replace another preparation of the same name")
    own = result.add_argument_group("your own data (fixed for known sets)")
    own.add_argument("--start", metavar="TIME", help="time of the first row, where the file has none")
    own.add_argument(
        "--interval", metavar="MINUTES", help="minutes per row, or as 30s, 1h, 1d, where the file has no times"
    )
    own.add_argument(
        "--timezone", metavar="NAME", help="where times are local time, e.g. Europe/Berlin; reads times with offsets"
    )
    add_reading_options(own)
    own.add_argument("--null", metavar="VALUE", help="reading that means missing (default: NaN)")
    own.add_argument("--train-ratio", type=float, metavar="SHARE", help="share of windows for training (default 0.7)")
    own.add_argument(
        "--split",
        type=float,
        nargs=3,
        metavar=("TRAIN", "VAL", "TEST"),
        help="shares of the windows, instead of --train-ratio (default 0.7 0.1 0.2)",
    )
    own.add_argument("--domain", metavar="TEXT", help="what is measured")
    return result


def positive(text: str) -> int:
    """Parse a whole number from 1 on."""
    if not text.isdigit() or int(text) < 1:
        raise argparse.ArgumentTypeError(f"'{text}' is not a whole number from 1 on")
    return int(text)


def main(argv: Sequence[str] | None = None) -> None:
    """Prepare one data set and print its summary."""
    args = parser().parse_args(argv)
    from stlora_ext.preparation.assemble import check_shape, set_ids, set_missing, set_times
    from stlora_ext.preparation.graph_source import add_graph
    from stlora_ext.preparation.readings import read_readings
    from stlora_ext.preparation.recipe import recipe_for
    from stlora_ext.preparation.summary import report
    from stlora_ext.preparation.writer import build, write

    recipe = recipe_for(args)
    options = reading_options(args)
    turned = False if recipe.known and options.transpose is None else options.transpose  # its shape is checked below
    series = read_readings(args.raw, replace(options, channel=recipe.channel, transpose=turned))
    origin = args.raw.resolve().name  # not before it is known to be there: a link to itself can't be resolved
    check_shape(series, recipe, origin)
    set_ids(series, args.ids, origin)
    files = [args.raw.resolve(), *add_graph(series, args, recipe), *([] if args.ids is None else [args.ids])]
    series = set_times(series, recipe, args.fill_gaps, origin)
    set_missing(series, recipe.null_val, origin)
    arrays, meta = build(
        series,
        recipe.name,
        recipe.domain,
        recipe.train_ratio,
        args.input_len,
        args.output_len,
        [file.name for file in files],
        recipe.test_ratio,
    )
    outcome = write(args.data, series, arrays, meta, args.force)
    print(report(series, meta, outcome, args.data))


if __name__ == "__main__":
    command(main)
