"""The table of what an adapter adds to backbones, in parameters."""

from collections.abc import Sequence
from typing import Any

from stlora_ext.lora.parameters import CLAIM_PERCENT
from stlora_ext.tables.table import Cell, Column, Grid, Table

FIELDS = ("data set", "nodes", "model", "backbone", "adapter", "trainable", "adapter %", "above 1 %")
MODULE_FIELDS = ("data set", "nodes", "model", "part", "module", "parameters")
_WORDS = ("data set", "model", "above 1 %")
_COUNTS = ("backbone", "adapter", "trainable")


def parameters_table(reports: Sequence[dict[str, Any]], modules: bool = False) -> Table:
    """Return a table of a line per model with adapter on a data set.

    Args:
        reports: What ``parameter_report`` returns, with ``data set``, ``nodes`` and ``model``.
        modules: Count the parameters of every module too: in grids of their own; in CSV, which is one, instead.
    """
    heads = tuple(Column(field, kind="name" if field in _WORDS else "number") for field in FIELDS)
    grids = [Grid("", heads, tuple(_line(report, heads) for report in reports))]
    if modules:
        grids += [_modules_grid(report) for report in reports]
    return Table(
        "",
        grids=tuple(grids),
        notes=(_verdict(reports),),
        numbers=tuple(_module_numbers(reports) if modules else map(_numbers, reports)),
        fields=MODULE_FIELDS if modules else FIELDS,
    )


def _above(report: dict[str, Any]) -> bool:
    return report["adapter_percent"] > CLAIM_PERCENT


def _numbers(report: dict[str, Any]) -> dict[str, Any]:
    shown = {field: report[field] for field in FIELDS[:-2]}
    return {**shown, "adapter %": f"{report['adapter_percent']:.2f}", "above 1 %": "yes" if _above(report) else "no"}


def _line(report: dict[str, Any], heads: Sequence[Column]) -> tuple[Cell, ...]:
    numbers = _numbers(report)
    return tuple(
        Cell(f"{numbers[head.title]:,}" if head.title in _COUNTS else str(numbers[head.title]), head.kind)
        for head in heads
    )


def _modules_grid(report: dict[str, Any]) -> Grid:
    heads = (Column("part", kind="name"), Column("module", kind="name"), Column("parameters"))
    lines = (
        (Cell(part, "name"), Cell(module, "name"), Cell(f"{count:,}"))
        for part, counts in report["modules"].items()
        for module, count in counts.items()
    )
    return Grid(f"{report['data set']}, {report['model']}", heads, tuple(lines))


def _module_numbers(reports: Sequence[dict[str, Any]]) -> list[dict[str, Any]]:
    return [
        {**{field: report[field] for field in MODULE_FIELDS[:3]}, "part": part, "module": module, "parameters": count}
        for report in reports
        for part, counts in report["modules"].items()
        for module, count in counts.items()
    ]


def _verdict(reports: Sequence[dict[str, Any]]) -> str:
    """Say where the adapter adds more than the paper's claim."""
    parts = []
    for model in dict.fromkeys(report["model"] for report in reports):
        every = [report for report in reports if report["model"] == model]
        above = sorted((report["adapter_percent"], report["data set"]) for report in every if _above(report))
        if above:
            where = above[0][1] if len(every) == 1 else f"{len(above)} of {len(every)} data sets"
            to = f" to {above[-1][0]:.1f}" if len(above) > 1 else ""
            parts.append(f"{model} on {where} ({above[0][0]:.1f}{to} %)")
    count = sum(_above(report) for report in reports)
    return (
        "The paper says that the adapter adds about 1 % of parameters. With the default settings it adds more than "
        f"1 % in {count} of {len(reports)} cases{': ' * bool(parts)}{', '.join(parts)}."
    )
