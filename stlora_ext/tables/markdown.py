"""A table in Markdown."""

from collections import defaultdict
from collections.abc import Sequence

from stlora_ext.tables.blocks import Block, Line, blocks, name
from stlora_ext.tables.rows import HORIZONS, METRICS, Row, differences


def render(dataset: str, rows: Sequence[Row]) -> str:
    """Return the table of ``rows``, all of one data set and one fingerprint, with its caption and notes."""
    first = rows[0].records[0]
    data = first["data"]
    columns = [(h, f"{h * data['interval']} min") for h in HORIZONS if h <= len(first["test"]["horizons"])]
    columns.append((None, "average"))
    parts = [f"**{dataset}**, test set, {data['windows']['test']:,} windows, {data['num_nodes']} nodes; "
             "mean ± standard deviation over seeds\n"]
    arranged = blocks(rows)
    for block in arranged:
        if len(arranged) > 1:
            parts.append(f"*{block.title}*\n")
        parts.append(_block(block, columns))
    return "\n".join([*parts, *(f"{note}\n" for note in _notes(rows, arranged))])


def _block(block: Block, columns: Sequence[tuple]) -> str:
    header = ["Model", "Seeds", *(f"{title} {metric}{' %' * (metric == 'MAPE')}" for _, title in columns
                                  for metric in METRICS)]
    lines = [header, ["---"] * 2 + ["---:"] * (len(header) - 2)]
    for line in block.lines:
        lines.append([line.label, "all" if line.deterministic else str(line.count),
                      *(_cell(line, horizon, metric) for horizon, _ in columns for metric in METRICS)])
    return "".join(f"| {' | '.join(cells)} |\n" for cells in lines)


def _cell(line: Line, horizon, metric: str) -> str:
    cell = line.cell(horizon, metric)
    if cell.mean is None:
        return "n/a"
    if line.deterministic:
        return f"{cell.mean:.2f} ± 0.00†"
    sign = "+" if line.kind != "result" else ""
    return f"{cell.mean:{sign}.2f} ± " + ("n/a" if cell.std is None else f"{cell.std:.2f}")


def _notes(rows: Sequence[Row], arranged: Sequence[Block]) -> list[str]:
    notes = []
    if any(row.deterministic for row in rows):
        notes.append("† deterministic: no seed changes it.")
    if any(line.count == 1 and not line.deterministic for block in arranged for line in block.lines):
        notes.append("± n/a: one run has no standard deviation.")
    if any(line.kind == "delta" for block in arranged for line in block.lines):
        notes.append("Δ: \"+\" minus base with the same seed, mean ± standard deviation of the paired differences; "
                     "below 0 the adapter helps.")
    epochs = {(name(row), record["training"]["epochs"]) for row in rows if row.protocol != "fitted"
              for record in row.records}
    if epochs:
        notes.append("Epochs run: " + ", ".join(f"{label} {count}" for label, count in sorted(epochs)) + ".")
    adapters = {(name(row), row.records[0]["parameters"]["adapter"], row.records[0]["parameters"]["adapter_percent"])
                for row in rows if row.arm != "base"}
    if adapters:
        notes.append("Parameters added: " + ", ".join(
            f"{label} {count:,}" + (f" ({percent:.1f} %)" if percent else "")
            for label, count, percent in sorted(adapters)) + ".")
    same_name = defaultdict(list)
    for row in rows:
        same_name[name(row), row.protocol].append(row)
    for (label, _), group in same_name.items():
        for setting, values in differences(group).items():
            notes.append(f"{label}: {setting} = " + ", ".join(
                f"{value} [{row.config_hash}]" for row, value in zip(group, values, strict=True)) + ".")
    return notes
