"""Draw error against horizon of a data set's records, base and "+", or settings, gains, a stream, new sensors.

python experiments/plot.py --dataset CITY --out city.png
python experiments/plot.py --dataset PEMS08-TAIL --settings LSTM+ --results results/screening --out settings.png
python experiments/plot.py --dataset CITY-H0 CITY CITY-H1 --gains LSTM+ --out gains.png
python experiments/plot.py --stream --dataset NYC-TAXI --models LSTM --out stream.png
python experiments/plot.py --new-sensors --dataset PEMS08-TAIL --out new-sensors.png
python experiments/plot.py --evidence --dataset PEMS08-TAIL NYC-TAXI --models LSTM --out evidence.png

--stream draws the error over time of protocol stream, weekly means; --new-sensors the error against days of protocol
new-sensors. No other picture but --evidence holds their runs. --evidence draws, side by side, what "+" differs from its
control by on every data set, and one panel of each of the others.
"""

import argparse
import shlex
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from entry import command

from stlora_ext.data.quantity import quantity
from stlora_ext.errors import UserError, nearest
from stlora_ext.options import ModelParser, add_folders, add_horizons, folder_arguments

if TYPE_CHECKING:
    from stlora_ext.tables.rows import Row


_FLAGS = ("stream", "new-sensors", "evidence")  # pictures without a model


def parser() -> argparse.ArgumentParser:
    """Return the command line."""
    p = ModelParser(prog="experiments/plot.py", description=__doc__)
    p.add_argument(
        "--dataset",
        "--datasets",
        required=True,
        nargs="+",
        metavar="NAME",
        help="the data set; several with --gains, --stream, --new-sensors and --evidence",
    )
    p.add_argument("--out", type=Path, required=True, metavar="PNG", help="the picture to write")
    p.add_argument("--metric", choices=("MAE", "RMSE", "MAPE"), help="what to draw (default: MAE)")
    add_horizons(p)
    p.add_argument(
        "--models",
        nargs="+",
        metavar="NAME",
        help="models to draw, backbones of protocols stream and new-sensors (default: all)",
    )
    other = p.add_mutually_exclusive_group()
    other.add_argument("--settings", metavar="MODEL", help="draw validation error against the adapter's size instead")
    other.add_argument("--gains", metavar="MODEL", help="draw what this model's arms change, paired by seed, instead")
    other.add_argument("--stream", action="store_true", help="draw the error over time of protocol stream instead")
    other.add_argument(
        "--new-sensors", action="store_true", help="draw the error against days of protocol new-sensors instead"
    )
    other.add_argument("--evidence", action="store_true", help="draw where per-node weights pay, in three panels")
    add_folders(p, "folder of the records")
    return p


def main(argv: Sequence[str] | None = None) -> None:
    """Run the command."""
    args = parser().parse_args(argv)
    _refuse_without_effect(args)
    if args.gains is not None:
        from stlora_ext.plots.gains import plot_gains

        rows = {dataset: _rows(dataset, args.results, args.data) for dataset in args.dataset}
        plot_gains(args.gains, rows, args.out, args.data)
    elif args.stream:
        _draw_stream(args)
    elif args.new_sensors:
        from stlora_ext.plots.new_sensors import plot_new_sensors

        plot_new_sensors(_rows_apart(args, "new-sensors"), args.metric or "MAE", args.out, args.data)
    elif args.evidence:
        _draw_evidence(args)
    elif len(args.dataset) > 1:
        raise UserError(
            f"--dataset {' '.join(args.dataset)}: expected one data set; several go with --gains MODEL, --stream, "
            "--new-sensors and --evidence"
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
        next((f"--{name}" for name in _FLAGS if getattr(args, name.replace("-", "_"))), ""),
    )
    apart = args.stream or args.new_sensors
    unread = {
        "--models": args.models is not None and not (apart or args.evidence),
        "--metric": args.metric is not None and not apart,
        "--horizons": args.horizons is not None,
    }
    for option in (option for option, given in unread.items() if given and picture):
        raise UserError(f"{option}: only for error against horizon, not for {picture}; leave it out")
    if args.stream and args.metric == "MAPE":
        raise UserError("--metric MAPE: records hold no percentages of single periods; expected MAE or RMSE")


def _draw_stream(args: argparse.Namespace) -> None:
    from stlora_ext.plots.stream import plot_stream

    plot_stream(_rows_apart(args, "stream"), args.metric or "MAE", args.out, args.data)


def _draw_evidence(args: argparse.Namespace) -> None:
    from stlora_ext.config.registry import models
    from stlora_ext.plots.evidence import plot_evidence
    from stlora_ext.tables.groups import dataset_records, of_one_version
    from stlora_ext.tables.rows import APART, table_rows

    chosen = None if args.models is None else [model.removesuffix("+") for model in args.models]
    rows = {
        dataset: table_rows(of_one_version(dataset_records(dataset, args.results), args.results), models())
        for dataset in args.dataset
    }
    apart = [row.model.removesuffix("+") for group in rows.values() for row in group if row.protocol in APART]
    for name in chosen or ():
        if name not in apart:
            raise UserError(
                f"no records of protocol stream or new-sensors of {name} on {' or '.join(rows)} under {args.results}: "
                + (nearest(name, dict.fromkeys(apart)) if apart else "add a data set that has some to --dataset")
            )
    kept = {
        dataset: [
            row for row in group if row.protocol not in APART or chosen is None or row.model.removesuffix("+") in chosen
        ]
        for dataset, group in rows.items()
    }
    plot_evidence(kept, args.out, args.data)


def _rows_apart(args: argparse.Namespace, protocol: str) -> dict[str, list["Row"]]:
    """Return the rows of a protocol that has a picture of its own, of the chosen backbones of each data set.

    Raises:
        UserError: If there are none, or they are of several versions of the data.
    """
    chosen = None if args.models is None else [model.removesuffix("+") for model in args.models]
    rows: dict[str, list[Row]] = {}
    for dataset in args.dataset:
        recorded = _rows(dataset, args.results, args.data, protocol)
        backbones = list(dict.fromkeys(row.model.removesuffix("+") for row in recorded))
        for name in chosen or ():
            if name not in backbones:
                raise UserError(
                    f"no records of protocol {protocol} of {name} on {dataset} under {args.results}: "
                    f"{nearest(name, backbones)}"
                )
        rows[dataset] = [row for row in recorded if chosen is None or row.model.removesuffix("+") in chosen]
    return rows


def _draw_horizons(args: argparse.Namespace, dataset: str) -> None:
    from stlora_ext.plots.horizons import plot_horizons

    rows = [row for row in _rows(dataset, args.results, args.data) if not args.models or row.model in args.models]
    if not rows:
        raise UserError(
            f"no records of {' or '.join(args.models)} on {dataset} under {args.results}: name "
            f"models of python experiments/table.py --dataset {dataset}, or run them first"
        )
    plot_horizons(dataset, rows, args.metric or "MAE", args.out, quantity(dataset, args.data), args.horizons)


def _rows(dataset: str, results: Path, data: Path, protocol: str | None = None) -> list["Row"]:
    """Return the rows of a data set, those of a protocol that has a picture of its own, or of all others (None).

    Raises:
        UserError: If there are none, or they are of several versions of the data.
    """
    from stlora_ext.config.registry import models
    from stlora_ext.tables.groups import dataset_records, of_one_version
    from stlora_ext.tables.rows import APART, table_rows

    records = dataset_records(dataset, results)
    chosen = [
        record
        for record in records
        if (record.key.protocol == protocol if protocol else record.key.protocol not in APART)
    ]
    if not chosen:
        present = sorted({record.key.protocol for record in records} & set(APART), reverse=True)
        remedy = f"draw what is there with {' or '.join(f'--{name}' for name in present)}"
        if protocol:
            last = "finetune" if protocol == "stream" else "full"
            sweep = f"--datasets {dataset} --models LSTM LSTM+ --protocols {protocol} --arms base plus control {last}"
            folders = folder_arguments(results, data)
            remedy = f"make some with: {shlex.join(['python', 'experiments/sweep.py', *sweep.split(), *folders])}"
        named = protocol or " and ".join(present)
        raise UserError(
            f"the records of {dataset} under {results} are {'not' if protocol else 'all'} of protocol {named}: {remedy}"
        )
    return table_rows(of_one_version(chosen, results), models())


if __name__ == "__main__":
    command(main)
