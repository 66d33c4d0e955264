"""Print what an adapter adds to every trained backbone on the benchmark data sets; no data are needed.

python experiments/parameters.py
python experiments/parameters.py --datasets PEMS08 --models AGCRN LSTM --modules
python experiments/parameters.py --format csv > parameters.csv          also latex, html
"""

import argparse
import tempfile
from collections.abc import Iterator, Sequence
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Any

from entry import command

from stlora_ext.data.catalog import catalog_entry
from stlora_ext.errors import UserError, nearest
from stlora_ext.options import ModelParser
from stlora_ext.tables.formats import FORMATS
from stlora_ext.threads import apply_tuning

BENCHMARKS = ("PEMS03", "PEMS04", "PEMS07", "PEMS08", "METR-LA", "PEMS-BAY")


def parser() -> argparse.ArgumentParser:
    """Return the command line."""
    p = ModelParser(prog="experiments/parameters.py", description=__doc__)
    p.add_argument("--datasets", nargs="+", default=BENCHMARKS, metavar="NAME", help="data sets (default: benchmarks)")
    p.add_argument("--models", nargs="+", default=[], metavar="GLOB", help="trained backbones (default: all of ours)")
    p.add_argument("--format", choices=FORMATS, default="markdown", help="default: markdown")
    p.add_argument("--modules", action="store_true", help="count the parameters of every module too; csv: instead")
    return p


def main(argv: Sequence[str] | None = None) -> None:
    """Run the command."""
    args = parser().parse_args(argv)
    from stlora_ext.tables.parameters import parameters_table

    names = _trained(args.models)
    reports = list(_reports([catalog_entry(name) for name in args.datasets], names))
    print(FORMATS[args.format]([parameters_table(reports, args.modules)]), end="")


def _trained(patterns: Sequence[str]) -> list[str]:
    """Return the trained backbones whose name matches a pattern.

    Raises:
        UserError: If a pattern matches none.
    """
    from stlora_ext.config.backbones import BACKBONES
    from stlora_ext.config.registry import registrations

    trained = [name for name, backbone in registrations().items() if not backbone.fitted]
    for pattern in patterns:
        if pattern in registrations() and pattern not in trained:
            raise UserError(
                f"--models {pattern}: it is fitted and has no trained parameters to compare with; expected "
                f"one of: {', '.join(trained)}"
            )
        if not any(fnmatchcase(name, pattern) for name in trained):
            raise UserError(f"--models {pattern}: no trained backbone has this name; {nearest(pattern, trained)}")
    patterns = patterns or list(BACKBONES)
    return [name for name in trained if any(fnmatchcase(name, pattern) for pattern in patterns)]


def _reports(entries: Sequence[Any], names: Sequence[str]) -> Iterator[dict[str, Any]]:
    """Yield the parameter report of every model with adapter, built as its config says, on a ring for a graph."""
    from stlora_ext.config.config_file import config_or_default
    from stlora_ext.lora.parameters import parameter_report
    from stlora_ext.runs.build import build_model
    from stlora_ext.runs.without_data import ring_meta

    with tempfile.TemporaryDirectory() as folder:
        for entry in entries:
            meta = ring_meta(Path(folder), entry.name, entry.num_nodes, entry.interval, entry.null_val)
            for name in names:
                _, exp = config_or_default(entry.name, f"{name}+")
                yield {
                    "data set": entry.name,
                    "nodes": entry.num_nodes,
                    "model": exp.model,
                    **parameter_report(build_model(exp, meta, Path(folder))),
                }


if __name__ == "__main__":
    apply_tuning()
    command(main)
