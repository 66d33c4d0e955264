"""Every score of a table in full precision, one per data set, protocol, arm, model, horizon and metric."""

from collections.abc import Iterator, Sequence
from typing import Any

from stlora_ext.runs.record_check import METRICS
from stlora_ext.tables.alike import backbone_unknown, unlike
from stlora_ext.tables.pairs import Block, Comparison
from stlora_ext.tables.published import PublishedScore
from stlora_ext.tables.rows import Row

FIELDS = (
    "dataset",
    "fingerprint",
    "null_val",
    "protocol",
    "arm",
    "model",
    "config_hash",
    "num_epochs",
    "horizon",
    "metric",
    "mean",
    "std",
    "n",
    "seeds",
    "deterministic",
    "base_config_hash",
    "pairs",
    "delta",
    "delta_std",
    "delta_percent",
    "delta_percent_std",
    "ci_low",
    "ci_high",
    "p",
    "p_holm",
    "p_wilcoxon",
    "unlike",
    "source",
)


def scores(
    dataset: str,
    rows: Sequence[Row],
    arranged: Sequence[Block],
    p_values: Sequence[Sequence[float | None]],
    columns: Sequence[tuple[int | None, str]],
    printed: Sequence[PublishedScore],
) -> Iterator[dict[str, Any]]:
    """Yield a dictionary of ``FIELDS`` per score, rows in order; what doesn't apply is left out.

    Published scores have ``published`` as protocol, and a source.
    """
    comparisons = [
        (comparison, p)
        for block, ps in zip(arranged, p_values, strict=True)
        for comparison, p in zip(block.comparisons, ps, strict=True)
    ]
    for row in rows:
        comparison, p_holm = next(((c, p) for c, p in comparisons if c.plus is row), (None, None))
        for horizon, _ in columns:
            for metric in METRICS:
                values = _own(dataset, row, horizon, metric)
                if comparison is not None:
                    values |= _difference(comparison, horizon, metric)
                    if (horizon, metric) == (None, "MAE"):
                        test = comparison.test
                        values |= {
                            "ci_low": test.low,
                            "ci_high": test.high,
                            "p": test.p,
                            "p_holm": p_holm,
                            "p_wilcoxon": test.wilcoxon,
                        }
                yield values
    for entry in printed:
        for (horizon, metric), (mean, std) in entry.scores.items():
            yield {
                "dataset": dataset,
                "protocol": "published",
                "model": entry.model,
                "horizon": horizon or "average",
                "metric": metric,
                "mean": mean,
                "std": std,
                "source": f"{entry.label}: {entry.source}",
            }


def _own(dataset: str, row: Row, horizon: int | None, metric: str) -> dict[str, Any]:
    value, first = row.cell(horizon, metric), row.records[0]
    return {
        "dataset": dataset,
        "fingerprint": first.data.fingerprint,
        "null_val": first.data.null_val,
        "protocol": row.protocol,
        "arm": row.arm,
        "model": row.model,
        "config_hash": row.config_hash,
        "num_epochs": None if row.protocol == "fitted" else first.configuration.training.get("num_epochs"),
        "horizon": horizon or "average",
        "metric": metric,
        "mean": value.mean,
        "std": value.std,
        "n": value.count,
        "seeds": "all" if row.deterministic else " ".join(map(str, row.seeds)),
        "deterministic": int(row.deterministic),
    }


def _difference(comparison: Comparison, horizon: int | None, metric: str) -> dict[str, Any]:
    delta, percent = (comparison.delta(horizon, metric, share) for share in (False, True))
    return {
        "base_config_hash": comparison.base.config_hash,
        "pairs": delta.count,
        "delta": delta.mean,
        "delta_std": delta.std,
        "delta_percent": percent.mean,
        "delta_percent_std": percent.std,
        "unlike": "; ".join(unlike(comparison) + ["backbone unknown"] * backbone_unknown(comparison)),
    }
