"""Print what every backbone is, has and needs; no data are needed.

python experiments/models.py
python experiments/models.py --models 'Time*' LSTM --format csv
python experiments/models.py --names                the names alone, at once
"""

import argparse
import tempfile
from collections.abc import Sequence
from fnmatch import fnmatchcase
from pathlib import Path
from typing import TYPE_CHECKING

from entry import command

from stlora_ext.errors import UserError, in_a_line, nearest
from stlora_ext.options import ModelParser
from stlora_ext.threads import apply_tuning

if TYPE_CHECKING:
    from stlora_ext.config.backbone import Backbone
    from stlora_ext.tables.models import ModelRow

NODES = 170


def parser() -> argparse.ArgumentParser:
    """Return the command line."""
    p = ModelParser(prog="experiments/models.py", description=__doc__)
    p.add_argument("--models", nargs="+", default=["*"], metavar="GLOB", help="backbones (default: all)")
    p.add_argument("--names", action="store_true", help="print the names alone, with the place of each class")
    p.add_argument(
        "--format",
        choices=("markdown", "latex", "csv", "html"),
        default="markdown",
        help="default: markdown; csv: in full precision",
    )
    return p


def main(argv: Sequence[str] | None = None) -> None:
    """Run the command."""
    args = parser().parse_args(argv)
    chosen = _chosen(args.models)
    if args.names:
        print(*(f"{backbone.name}, {backbone.name}+: {backbone.class_path}" for backbone in chosen), sep="\n")
        return
    from stlora_ext.tables.formats import FORMATS
    from stlora_ext.tables.models import models_table

    rows, failed = [], []
    for backbone in chosen:
        try:
            rows.append(_row(backbone))
        except UserError as error:  # one that lacks a package hides no other
            failed.append((backbone.name, str(error)))
        except Exception as error:  # nor does one of the user's, whatever it raises
            failed.append((backbone.name, in_a_line(error)))
    print(FORMATS[args.format]([models_table(rows, NODES, failed)]), end="")


def _chosen(patterns: Sequence[str]) -> list["Backbone"]:
    """Return the backbones whose name matches a pattern.

    Raises:
        UserError: If a pattern matches none.
    """
    from stlora_ext.config.registry import registrations

    listed = registrations()
    for pattern in patterns:
        if not any(fnmatchcase(name, pattern) for name in listed):
            raise UserError(f"--models {pattern}: no such backbone, {nearest(pattern, listed)}")
    return [backbone for name, backbone in listed.items() if any(fnmatchcase(name, glob) for glob in patterns)]


def _row(backbone: "Backbone") -> "ModelRow":
    """Build the backbone, on a ring for a graph, and return its line."""
    from stlora_ext.config.experiment import experiment
    from stlora_ext.config.registry import get_backbone
    from stlora_ext.fields import field_names
    from stlora_ext.lora.model import parameter_counts
    from stlora_ext.runs.build import backbone_node_holder, build_model
    from stlora_ext.runs.without_data import ring_meta
    from stlora_ext.tables.models import ModelRow

    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        counts = parameter_counts(
            build_model(experiment("RING", f"{backbone.name}+"), ring_meta(folder, "RING", NODES), folder)
        )
        holder = backbone_node_holder(experiment("RING", backbone.name), ring_meta(folder, "RING", NODES))
    graph = "graph_path" in field_names(get_backbone(backbone.name).config)
    return ModelRow(
        backbone.name, backbone.paper, counts["backbone"], counts["adapter"], holder, graph, backbone.tested_with
    )


if __name__ == "__main__":
    apply_tuning()
    command(main)
