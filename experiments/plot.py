"""Draw error against horizon of a data set's records, base and "+", or settings, gains, a stream, new sensors.

python experiments/plot.py --dataset CITY --out city.png
python experiments/plot.py --dataset PEMS08-TAIL --settings LSTM+ --results results/screening --out settings.png
python experiments/plot.py --dataset CITY-H0 CITY CITY-H1 --gains LSTM+ --out gains.png
python experiments/plot.py --stream --dataset NYC-TAXI --models LSTM --out stream.png
python experiments/plot.py --new-sensors --dataset PEMS08-TAIL --out new-sensors.png
python experiments/plot.py --evidence --dataset PEMS08-TAIL METR-LA-29 --stream-of results/NYC-TAXI LSTM \\
    --new-sensors-of results/PEMS08-TAIL LSTM --out evidence.png

--stream draws the error over time of protocol stream, weekly means; --new-sensors the error against days of protocol
new-sensors. No other picture but --evidence holds their runs. --evidence draws, side by side, what "+" differs from its
control by on every data set, and a stream and new sensors of one backbone each.
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


APART = ("stream", "new-sensors")  # protocols that have pictures of their own
_FLAGS = (*APART, "evidence")  # pictures without a model


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
        help="models to draw, backbones with --stream and --new-sensors (default: all)",
    )
    other = p.add_mutually_exclusive_group()
    other.add_argument("--settings", metavar="MODEL", help="draw validation error against the adapter's size instead")
    other.add_argument("--gains", metavar="MODEL", help="draw what this model's arms change, paired by seed, instead")
    other.add_argument("--stream", action="store_true", help="draw the error over time of protocol stream instead")
    other.add_argument(
        "--new-sensors", action="store_true", help="draw the error against days of protocol new-sensors instead"
    )
    other.add_argument("--evidence", action="store_true", help="draw where per-node weights pay, in three panels")
    for protocol in APART:
        p.add_argument(
            f"--{protocol}-of",
            nargs=2,
            metavar=("FOLDER", "MODEL"),
            help=f"with --evidence: a data set's folder of records of protocol {protocol}, and their backbone",
        )
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
        "--models": args.models is not None and not apart,
        "--metric": args.metric is not None and not apart,
        "--horizons": args.horizons is not None,
    }
    for protocol in APART:
        if (getattr(args, f"{protocol.replace('-', '_')}_of") is None) is args.evidence:
            needs = "needs" if args.evidence else "alone reads"
            raise UserError(f"--evidence {needs} --{protocol}-of FOLDER MODEL, such as results/NYC-TAXI LSTM")
    for option in (option for option, given in unread.items() if given and picture):
        raise UserError(f"{option}: only for error against horizon, not for {picture}; leave it out")
    if args.stream and args.metric == "MAPE":
        raise UserError("--metric MAPE: records hold no percentages of single periods; expected MAE or RMSE")


def _draw_stream(args: argparse.Namespace) -> None:
    from stlora_ext.plots.stream import plot_stream

    plot_stream(_rows_apart(args, "stream"), args.metric or "MAE", args.out, args.data)


def _draw_evidence(args: argparse.Namespace) -> None:
    from stlora_ext.plots.evidence import plot_evidence

    rows = {dataset: _rows(dataset, args.results, args.data) for dataset in args.dataset}
    stream, fresh = (
        _of_backbone(Path(folder), model, protocol, args.data)
        for protocol, (folder, model) in zip(APART, (args.stream_of, args.new_sensors_of), strict=True)
    )
    plot_evidence(rows, stream, fresh, args.out, args.data)


def _of_backbone(folder: Path, model: str, protocol: str, data: Path) -> tuple[str, list["Row"]]:
    """Return the name of the data set whose records a folder holds, and the rows of one backbone under a protocol."""
    if not folder.is_dir():
        raise UserError(f"--{protocol}-of {folder}: there is no such folder; expected one of a data set's records")
    if any(folder.glob("*.json")):
        raise UserError(f"--{protocol}-of {folder}: expected the folder of a data set, such as {folder.parent}")
    rows = _rows(folder.name, folder.parent, data, protocol)
    return folder.name, _chosen(rows, [model], folder.name, folder.parent, protocol)


def _rows_apart(args: argparse.Namespace, protocol: str) -> dict[str, list["Row"]]:
    """Return the rows of a protocol that has a picture of its own, of the chosen backbones of each data set.

    Raises:
        UserError: If there are none, or they are of several versions of the data.
    """
    rows: dict[str, list[Row]] = {}
    for dataset in args.dataset:
        recorded = _rows(dataset, args.results, args.data, protocol)
        rows[dataset] = _chosen(recorded, args.models, dataset, args.results, protocol)
    return rows


def _chosen(
    rows: Sequence["Row"], models: Sequence[str] | None, dataset: str, results: Path, protocol: str
) -> list["Row"]:
    """Return the rows of some backbones (None: all).

    Raises:
        UserError: If there are none of one of them.
    """
    backbones = list(dict.fromkeys(row.model.removesuffix("+") for row in rows))
    chosen = backbones if models is None else [model.removesuffix("+") for model in models]
    for name in chosen:
        if name not in backbones:
            raise UserError(
                f"no records of protocol {protocol} of {name} on {dataset} under {results}: {nearest(name, backbones)}"
            )
    return [row for row in rows if row.model.removesuffix("+") in chosen]


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
    from stlora_ext.tables.rows import table_rows

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
