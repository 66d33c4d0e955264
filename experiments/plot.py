"""Draw error against horizon of a data set's records, base and "+", or settings, gains, a stream, as a PNG.

python experiments/plot.py --dataset CITY --out city.png
python experiments/plot.py --dataset PEMS08-TAIL --settings LSTM+ --results results/screening --out settings.png
python experiments/plot.py --dataset CITY-H0 CITY CITY-H1 --gains LSTM+ --out gains.png
python experiments/plot.py --stream --dataset NYC-TAXI --models LSTM --out stream.png

--stream draws the error over time of protocol stream, weekly means; no other picture holds its runs.
"""

import argparse
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from entry import command

from stlora_ext.data.quantity import quantity
from stlora_ext.errors import UserError, nearest
from stlora_ext.options import ModelParser, add_folders, add_horizons

if TYPE_CHECKING:
    from stlora_ext.tables.rows import Row


def parser() -> argparse.ArgumentParser:
    """Return the command line."""
    p = ModelParser(prog="experiments/plot.py", description=__doc__)
    p.add_argument(
        "--dataset",
        "--datasets",
        required=True,
        nargs="+",
        metavar="NAME",
        help="the data set; several with --gains and --stream",
    )
    p.add_argument("--out", type=Path, required=True, metavar="PNG", help="the picture to write")
    p.add_argument("--metric", choices=("MAE", "RMSE", "MAPE"), help="what to draw (default: MAE)")
    add_horizons(p)
    p.add_argument("--models", nargs="+", metavar="NAME", help="models to draw, backbones with --stream (default: all)")
    other = p.add_mutually_exclusive_group()
    other.add_argument("--settings", metavar="MODEL", help="draw validation error against the adapter's size instead")
    other.add_argument("--gains", metavar="MODEL", help="draw what this model's arms change, paired by seed, instead")
    other.add_argument("--stream", action="store_true", help="draw the error over time of protocol stream instead")
    add_folders(p, "folder of the records")
    return p


def main(argv: Sequence[str] | None = None) -> None:
    """Run the command."""
    args = parser().parse_args(argv)
    _refuse_without_effect(args)
    if args.gains is not None:
        from stlora_ext.plots.gains import plot_gains

        rows = {dataset: _rows(dataset, args.results) for dataset in args.dataset}
        plot_gains(args.gains, rows, args.out, args.data)
    elif args.stream:
        _draw_stream(args)
    elif len(args.dataset) > 1:
        raise UserError(
            f"--dataset {' '.join(args.dataset)}: expected one data set; several go with --gains MODEL and --stream"
        )
    elif args.settings is not None:
        from stlora_ext.plots.settings import plot_settings
        from stlora_ext.tables.groups import settings_of

        dataset = args.dataset[0]
        groups = settings_of(args.settings, dataset, args.results)
        plot_settings(dataset, groups, args.out, quantity(dataset, args.data))
    else:
        _draw_horizons(args, args.dataset[0])
    print(f"picture: {args.out}")


def _refuse_without_effect(args: argparse.Namespace) -> None:
    """Refuse options that the chosen picture doesn't read."""
    picture = next(
        (f"--{name} {model}" for name in ("gains", "settings") if (model := getattr(args, name)) is not None),
        "--stream" if args.stream else "",
    )
    unread = {
        "--models": args.models is not None and not args.stream,
        "--metric": args.metric is not None and not args.stream,
        "--horizons": args.horizons is not None,
    }
    for option in (option for option, given in unread.items() if given and picture):
        raise UserError(f"{option}: only for error against horizon, not for {picture}; leave it out")
    if args.stream and args.metric == "MAPE":
        raise UserError("--metric MAPE: records hold no percentages of single periods; expected MAE or RMSE")


def _draw_stream(args: argparse.Namespace) -> None:
    from stlora_ext.plots.error_over_time import by_backbone
    from stlora_ext.plots.stream import plot_stream

    chosen = None if args.models is None else [model.removesuffix("+") for model in args.models]
    rows = {}
    for dataset in args.dataset:
        recorded = by_backbone(_rows(dataset, args.results, stream=True))
        for name in chosen or ():
            if name not in recorded:
                raise UserError(
                    f"no records of protocol stream of {name} on {dataset} under {args.results}: "
                    f"{nearest(name, recorded)}"
                )
        rows[dataset] = [row for name, group in recorded.items() if chosen is None or name in chosen for row in group]
    plot_stream(rows, args.metric or "MAE", args.out, args.data)


def _draw_horizons(args: argparse.Namespace, dataset: str) -> None:
    from stlora_ext.plots.horizons import plot_horizons

    rows = [row for row in _rows(dataset, args.results) if not args.models or row.model in args.models]
    if not rows:
        raise UserError(
            f"no records of {' or '.join(args.models)} on {dataset} under {args.results}: name "
            f"models of python experiments/table.py --dataset {dataset}, or run them first"
        )
    plot_horizons(dataset, rows, args.metric or "MAE", args.out, quantity(dataset, args.data), args.horizons)


def _rows(dataset: str, results: Path, stream: bool = False) -> list["Row"]:
    """Return the rows of a data set, those of protocol ``stream`` alone or all others.

    Raises:
        UserError: If there are none, or they are of several versions of the data.
    """
    from stlora_ext.config.registry import models
    from stlora_ext.tables.groups import dataset_records
    from stlora_ext.tables.rows import by_data, table_rows

    records = dataset_records(dataset, results)
    chosen = [record for record in records if (record.key.protocol == "stream") is stream]
    if not chosen:
        remedy = (
            f"make some with: python experiments/sweep.py --datasets {dataset} --models LSTM LSTM+ "
            "--protocols stream --arms base plus control finetune"
            if stream
            else "draw what is there with --stream"
        )
        raise UserError(
            f"the records of {dataset} under {results} are {'not' if stream else 'all'} of protocol stream: {remedy}"
        )
    first, *others = by_data(chosen).values()
    if others:
        raise UserError(
            f"the records under {results} are of {len(others) + 1} versions of {dataset}; keep them "
            "apart with --results DIR"
        )
    return table_rows(first, models())


if __name__ == "__main__":
    command(main)
