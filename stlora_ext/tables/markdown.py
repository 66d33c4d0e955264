"""A table in Markdown."""

from collections import Counter
from collections.abc import Sequence

from stlora_ext.tables.rows import HORIZONS, METRICS, Row, differences
from stlora_ext.tables.statistics import Spread


def render(dataset: str, rows: Sequence[Row]) -> str:
    """Return the table of ``rows``, all of one data set and one fingerprint, with its caption and notes."""
    data = rows[0].records[0]["data"]
    columns = [(h, f"{h * data['interval']} min") for h in HORIZONS
               if h <= len(rows[0].records[0]["test"]["horizons"])] + [(None, "average")]
    header = ["Model", "Seeds", *(f"{title} {_unit(metric)}" for _, title in columns for metric in METRICS)]
    caption = (f"**{dataset}**, test set, {data['windows']['test']:,} windows, {data['num_nodes']} nodes; "
               "mean ± standard deviation over seeds")
    lines = [caption, "", _line(header), _line(["---"] * 2 + ["---:"] * (len(header) - 2))]
    repeated = {name for name, count in Counter(_name(row) for row in rows).items() if count > 1}
    for row in rows:
        label = _name(row) + (f" [{row.config_hash}]" if _name(row) in repeated else "")
        seeds = "all" if row.deterministic else str(len(row.seeds))
        lines.append(_line([label, seeds, *(_cell(row.cell(h, metric), row.deterministic)
                                            for h, _ in columns for metric in METRICS)]))
    return "\n".join(lines + _notes(rows, repeated)) + "\n"


def _name(row: Row) -> str:
    name = row.model if row.arm in ("base", "plus") else f"{row.model} ({row.arm})"
    return f"{name} (fitted)" if row.protocol == "fitted" else name


def _unit(metric: str) -> str:
    return "MAPE %" if metric == "MAPE" else metric


def _cell(cell: Spread, deterministic: bool) -> str:
    if cell.mean is None:
        return "n/a"
    if deterministic:
        return f"{cell.mean:.2f} ± 0.00†"
    return f"{cell.mean:.2f} ± " + ("n/a" if cell.std is None else f"{cell.std:.2f}")


def _line(cells: Sequence[str]) -> str:
    return "| " + " | ".join(cells) + " |"


def _notes(rows: Sequence[Row], repeated: set[str]) -> list[str]:
    notes = []
    if any(row.deterministic for row in rows):
        notes.append("† deterministic: no seed changes it.")
    if any(len(row.seeds) == 1 and not row.deterministic for row in rows):
        notes.append("± n/a: one run has no standard deviation.")
    trained = sorted({(f"{_name(row)}", record["training"]["epochs"]) for row in rows if row.protocol != "fitted"
                      for record in row.records})
    if trained:
        notes.append("Epochs run: " + ", ".join(f"{name} {epochs}" for name, epochs in trained) + ".")
    for name in sorted(repeated):
        same = [row for row in rows if _name(row) == name]
        for setting, values in differences(same).items():
            notes.append(f"{name}: {setting} = " + ", ".join(
                f"{value} [{row.config_hash}]" for row, value in zip(same, values, strict=True)) + ".")
    return ["", *(line for note in notes for line in (note, ""))][:-1] if notes else []
