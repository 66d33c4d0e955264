"""Published scores of the same data set beside ours, and how far ours are from them."""

import csv
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from stlora_ext.data.catalog import CATALOG, USUAL_LEN
from stlora_ext.digits import number, with_spread
from stlora_ext.runs.record_check import METRICS
from stlora_ext.tables.pairs import Block
from stlora_ext.tables.rows import Row, lengths, steps_text

HORIZONS = (3, 6, 12)  # that are published, of 12 steps
FLAG_PERCENT = 5.0  # a mean further than this from the published score, in percent of it, is flagged


@dataclass(frozen=True)
class PublishedScore:
    """What one source prints of one model.

    Attributes:
        model: The model, under our name.
        label: The source, short.
        source: The source in full.
        scores: Mean and printed ± (None: none) by horizon in steps (None: average) and metric.
    """

    model: str
    label: str
    source: str
    scores: Mapping[tuple[int | None, str], tuple[float, float | None]]


def read_printed(folder: Path, dataset: str) -> list[PublishedScore]:
    """Read what the CSV files of ``folder`` print of ``dataset``, of no other; the printed table, poster.csv, first."""
    printed = []
    for path in sorted(folder.glob("*.csv"), key=lambda path: (path.stem != "poster", path.name)):
        with open(path, encoding="utf-8", newline="") as file:
            printed += [
                PublishedScore(row["model"], row["label"], row["source"], dict(_scores(row)))
                for row in csv.DictReader(file)
                if row["dataset"] == dataset
            ]
    return printed


def _scores(row: Mapping[str, str]) -> Iterator[tuple[tuple[int | None, str], tuple[float, float | None]]]:
    for horizon in (*HORIZONS, None):
        for metric in METRICS:
            title = f"{horizon or 'avg'} {metric}"
            if row[title]:
                std = row.get(f"{title} ±")
                yield (horizon, metric), (float(row[title]), float(std) if std else None)


def why_not(dataset: str, row: Row, printed: Sequence[PublishedScore]) -> str | None:
    """Return why our scores can't be compared with published ones; None where they can."""
    if not printed:
        return f"No published scores of {dataset} are shipped; those of another data set don't compare with it."
    entry, data = CATALOG.get(dataset), row.records[0].data
    if entry is not None and (data.num_steps, data.num_nodes) != (entry.num_steps, entry.num_nodes):
        return (
            f"These data have {data.num_steps or 'unknown'} rows and {data.num_nodes} nodes, the official "
            f"{dataset} has {entry.num_steps} and {entry.num_nodes}: published scores don't compare with them."
        )
    if lengths(row.records[0]) not in ((USUAL_LEN, USUAL_LEN), (None, USUAL_LEN)):
        return (
            f"These forecasts are of {steps_text(row.records[0])}, published ones of {USUAL_LEN} steps in, "
            f"{USUAL_LEN} out: they don't compare."
        )
    return None


def comparison_lines(
    arranged: Sequence[Block], printed: Sequence[PublishedScore], columns: Sequence[tuple[int | None, str]]
) -> tuple[list[tuple], list[str]]:
    """Return the lines of a comparison, each a label, a count and texts with a bold flag, and its notes.

    Every published score of the columns is shown. Ours stand above those of the same model; under them is the
    deviation in percent. Published models were trained together with their adapter, so our protocol ``adapt`` isn't
    compared with them.
    """
    keys = [(horizon, metric) for horizon, _ in columns for metric in METRICS]
    ours = {
        line.label: line.source
        for block in arranged
        for line in block.lines
        if isinstance(line.source, Row)
        and (line.source.arm == "base" or (line.source.protocol, line.source.arm) == ("joint", "plus"))
    }
    lines, flagged = [], []
    for model in dict.fromkeys(entry.model for entry in printed):
        rows = {label: row for label, row in ours.items() if row.model == model}
        lines += [
            (
                f"{label}, ours",
                "all" if row.deterministic else str(len(row.records)),
                [(_mean(row, key), False) for key in keys],
            )
            for label, row in rows.items()
        ]
        for entry in (entry for entry in printed if entry.model == model):
            lines.append((f"{model}, {entry.label}", "printed", [(_printed(entry, key), False) for key in keys]))
            for label, row in rows.items():
                apart = [_deviation(row, entry, key) for key in keys]
                lines.append((f"{label} against {entry.label}, %", "", [_flagged(value) for value in apart]))
                known = [value for value in apart if value is not None]
                far = [value for value in known if abs(value) > FLAG_PERCENT]
                flagged += [f"{label} against {entry.label} {len(far)} of {len(known)}"] if far else []
    notes = [
        "Against published scores: ours minus the published mean, in percent of it; ! and bold where that is "
        f"more than {FLAG_PERCENT:g} % either way. Published ones are of other implementations, mostly one run.",
        "Flagged: " + (", ".join(flagged) if flagged else "none") + ".",
    ]
    if any(std is not None for entry in printed for _, std in entry.scores.values()):
        notes.append("‡ ± as printed; docs/differences.md says why it is no deviation over runs.")
    return lines, notes + sources(printed)


def sources(printed: Sequence[PublishedScore]) -> list[str]:
    """Return a note per source."""
    by_label: dict[str, list[str]] = {}
    for entry in printed:
        texts = by_label.setdefault(entry.label, [])
        texts += [entry.source] if entry.source not in texts else []
    return [f"Source {label}: {' | '.join(texts)}." for label, texts in by_label.items()]


def _mean(row: Row, key: tuple[int | None, str]) -> str:
    return number(row.cell(*key).mean)


def _printed(entry: PublishedScore, key: tuple[int | None, str]) -> str:
    if key not in entry.scores:
        return "n/a"
    mean, std = entry.scores[key]
    sign = "+" if entry.model.startswith("Δ") else ""
    return number(mean, sign=sign) if std is None else f"{with_spread(mean, std, sign=sign)}‡"


def _deviation(row: Row, entry: PublishedScore, key: tuple[int | None, str]) -> float | None:
    mean = row.cell(*key).mean
    if mean is None or key not in entry.scores:
        return None
    published = entry.scores[key][0]
    return 100 * (mean - published) / published


def _flagged(value: float | None) -> tuple[str, bool]:
    far = value is not None and abs(value) > FLAG_PERCENT
    return ("n/a" if value is None else f"{value:+.1f}{' !' * far}"), far
