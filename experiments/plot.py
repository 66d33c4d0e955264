"""Draw error against horizon of a data set's records, base and "+", or of an adapter's settings, as a PNG.

    python experiments/plot.py --dataset CITY --out city.png
    python experiments/plot.py --dataset PEMS08-TAIL --settings LSTM+ --results results/screening --out settings.png
"""

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Optional

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
    if args.settings is not None:
        from experiments.table import settings_of
        from stlora_ext.plots.settings import plot_settings
        plot_settings(args.dataset, settings_of(args.settings, args.dataset, args.results), args.out)
        print(f"picture: {args.out}")
        return
    from experiments.table import dataset_records
    from stlora_ext.plots.horizons import plot_horizons
    from stlora_ext.tables.rows import by_data, table_rows
    groups = by_data(dataset_records(args.dataset, args.results))
    if len(groups) > 1:
        raise UserError(f"the records under {args.results} are of {len(groups)} versions of {args.dataset}; keep them "
                        "apart with --results DIR")
    from experiments.models import MODEL_ORDER
    rows = [row for row in table_rows(*groups.values(), MODEL_ORDER) if not args.models or row.model in args.models]
    if not rows:
        raise UserError(f"no records of {' or '.join(args.models)} on {args.dataset} under {args.results}: name "
                        f"models of python experiments/table.py --dataset {args.dataset}, or run them first")
    plot_horizons(args.dataset, rows, args.metric, args.out)
    print(f"picture: {args.out}")


if __name__ == "__main__":
    command(main)
