"""Draw error against horizon of a data set's records, base and "+", or of an adapter's settings, as a PNG.

    python experiments/plot.py --dataset CITY --out city.png
    python experiments/plot.py --dataset PEMS08-TAIL --settings LSTM+ --results results/screening --out settings.png
"""

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Optional

ROOT = Path(__file__).resolve().parents[1]
sys.path[0:0] = [] if str(ROOT) in sys.path else [str(ROOT)]

from stlora_ext.cli import Parser, command  # noqa: E402
from stlora_ext.errors import UserError  # noqa: E402


def parser() -> argparse.ArgumentParser:
    """Return the command line."""
    p = Parser(prog="experiments/plot.py", description=__doc__)
    p.add_argument("--dataset", required=True, metavar="NAME", help="the data set")
    p.add_argument("--out", type=Path, required=True, metavar="PNG", help="the picture to write")
    p.add_argument("--metric", choices=("MAE", "RMSE", "MAPE"), default="MAE", help="what to draw (default: MAE)")
    p.add_argument("--models", nargs="+", metavar="NAME", help="models to draw (default: all)")
    p.add_argument("--settings", metavar="MODEL", help="draw validation error against the adapter's size instead")
    p.add_argument("--results", type=Path, default=ROOT / "results", metavar="DIR", help="folder of the records")
    return p


def main(argv: Optional[Sequence[str]] = None) -> None:
    """Run the command."""
    args = parser().parse_args(argv)
    from experiments.table import dataset_records
    from stlora_ext.plots.horizons import plot_horizons
    from stlora_ext.tables.rows import by_data, table_rows
    groups = by_data(dataset_records(args.dataset, args.results))
    if len(groups) > 1:
        raise UserError(f"the records under {args.results} are of {len(groups)} versions of {args.dataset}; keep them "
                        "apart with --results DIR")
    if args.settings is not None:
        draw_settings(args, *groups.values())
        return
    from experiments.models import MODEL_ORDER
    rows = [row for row in table_rows(*groups.values(), MODEL_ORDER) if not args.models or row.model in args.models]
    if not rows:
        raise UserError(f"no records of {' or '.join(args.models)} on {args.dataset} under {args.results}: name "
                        f"models of python experiments/table.py --dataset {args.dataset}, or run them first")
    plot_horizons(args.dataset, rows, args.metric, args.out)
    print(f"picture: {args.out}")


def draw_settings(args: argparse.Namespace, records: Sequence[dict[str, Any]]) -> None:
    """Draw the settings of one model's adapter."""
    from stlora_ext.plots.settings import plot_settings
    from stlora_ext.tables.settings import best_validation, by_setting
    settings = by_setting(record for record in records if record["key"]["model"] == args.settings)
    if not settings:
        raise UserError(f"no records of {args.settings} on {args.dataset} under {args.results}: name a model with '+' "
                        "that ran, or give the folder of experiments/screen.py as --results")
    base = [best_validation(record) for record in records
            if record["key"]["model"] == args.settings.removesuffix("+")]
    plot_settings(f"{args.settings} on {args.dataset}", settings, sum(base) / len(base) if base else None, args.out)
    print(f"picture: {args.out}")


if __name__ == "__main__":
    command(main)
