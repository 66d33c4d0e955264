"""Draw error against horizon of a data set's records, base and "+", or an adapter's settings or gains, as a PNG.

python experiments/plot.py --dataset CITY --out city.png
python experiments/plot.py --dataset PEMS08-TAIL --settings LSTM+ --results results/screening --out settings.png
python experiments/plot.py --dataset CITY-H0 CITY CITY-H1 --gains LSTM+ --out gains.png
"""

import argparse
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from entry import command

from stlora_ext.data.quantity import quantity
from stlora_ext.errors import UserError
from stlora_ext.options import ModelParser, add_folders, add_horizons


def parser() -> argparse.ArgumentParser:
    """Return the command line."""
    p = ModelParser(prog="experiments/plot.py", description=__doc__)
    p.add_argument("--dataset", required=True, nargs="+", metavar="NAME", help="the data set; several with --gains")
    p.add_argument("--out", type=Path, required=True, metavar="PNG", help="the picture to write")
    p.add_argument("--metric", choices=("MAE", "RMSE", "MAPE"), help="what to draw (default: MAE)")
    add_horizons(p)
    p.add_argument("--models", nargs="+", metavar="NAME", help="models to draw (default: all)")
    other = p.add_mutually_exclusive_group()
    other.add_argument("--settings", metavar="MODEL", help="draw validation error against the adapter's size instead")
    other.add_argument("--gains", metavar="MODEL", help="draw what this model's arms change, paired by seed, instead")
    add_folders(p, "folder of the records")
    return p


def main(argv: Sequence[str] | None = None) -> None:
    """Run the command."""
    args = parser().parse_args(argv)
    other = f"--gains {args.gains}" if args.gains else f"--settings {args.settings}" if args.settings else ""
    unused = ["--models"] * bool(args.models) + ["--metric"] * (args.metric is not None)
    for option in unused + ["--horizons"] * (args.horizons is not None):
        if other:
            raise UserError(f"{option}: only for error against horizon, not for {other}; leave it out")
    if args.gains is not None:
        from stlora_ext.plots.gains import plot_gains

        rows = {dataset: _rows(dataset, args.results) for dataset in args.dataset}
        plot_gains(args.gains, rows, args.out, args.data)
    elif len(args.dataset) > 1:
        raise UserError(f"--dataset {' '.join(args.dataset)}: expected one data set; several go with --gains MODEL")
    elif args.settings is not None:
        from stlora_ext.plots.settings import plot_settings
        from stlora_ext.tables.groups import settings_of

        dataset = args.dataset[0]
        groups = settings_of(args.settings, dataset, args.results)
        plot_settings(dataset, groups, args.out, quantity(dataset, args.data))
    else:
        _draw_horizons(args, args.dataset[0])
    print(f"picture: {args.out}")


def _draw_horizons(args: argparse.Namespace, dataset: str) -> None:
    from stlora_ext.plots.horizons import plot_horizons

    rows = [row for row in _rows(dataset, args.results) if not args.models or row.model in args.models]
    if not rows:
        raise UserError(
            f"no records of {' or '.join(args.models)} on {dataset} under {args.results}: name "
            f"models of python experiments/table.py --dataset {dataset}, or run them first"
        )
    plot_horizons(dataset, rows, args.metric or "MAE", args.out, quantity(dataset, args.data), args.horizons)


def _rows(dataset: str, results: Path) -> list[Any]:
    from stlora_ext.config.registry import models
    from stlora_ext.tables.groups import dataset_records
    from stlora_ext.tables.rows import by_data, table_rows

    groups = by_data(dataset_records(dataset, results))
    first, *others = groups.values()
    if others:
        raise UserError(
            f"the records under {results} are of {len(groups)} versions of {dataset}; keep them "
            "apart with --results DIR"
        )
    return table_rows(first, models())


if __name__ == "__main__":
    command(main)
