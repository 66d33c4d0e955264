"""Every score of a table in full precision, one per data set, protocol, arm, model, horizon and metric."""

from collections.abc import Iterator, Sequence
from typing import Any

from stlora_ext.runs.record_check import METRICS
from stlora_ext.tables.alike import backbone_unknown, unlike
from stlora_ext.tables.pairs import Comparison
from stlora_ext.tables.published import PublishedScore
from stlora_ext.tables.rows import Row
from stlora_ext.tables.stream_pairs import Share

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
    "minus",
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
    "over_time_low",
    "over_time_high",
    "over_time_percent_low",
    "over_time_percent_high",
    "no_interval_over_time",
    "unlike",
    "seconds_per_update",
    "parameters_updated",
    "adapter_bytes",
    "service_bytes",
    "days",
    "splits",
    "percent_of_full",
    "percent_of_finetune",
    "percent_of_finetune_low",
    "percent_of_finetune_high",
    "seconds_percent_of_finetune",
    "source",
)


def scores(
    dataset: str,
    rows: Sequence[Row],
    compared: Sequence[tuple[Comparison, float | None]],
    columns: Sequence[tuple[int | None, str]],
    printed: Sequence[PublishedScore],
    shares: Sequence[Share] = (),
) -> Iterator[dict[str, Any]]:
    """Yield a dictionary of ``FIELDS`` per score, rows in order; what doesn't apply is left out.

    Beside a row's scores stand its differences from the base; those from other arms follow, of the average MAE.
    Published scores have ``published`` as protocol, and a source.

    Args:
        dataset: The data set's name.
        rows: The rows.
        compared: Comparisons and their corrected p-values.
        columns: Horizons and their titles.
        printed: Published scores.
        shares: What "+" reaches of finetune's gains.
    """
    for row in rows:
        own = [(comparison, p) for comparison, p in compared if comparison.plus is row]
        first = next((one for one in own if one[0].base.arm == "base"), None)
        for horizon, _ in columns:
            for metric in METRICS:
                values = _identity(dataset, row, horizon, metric) | _score(row, horizon, metric)
                if first is not None:
                    values |= _difference(first[0], horizon, metric)
                    if (horizon, metric) == (None, "MAE"):
                        values |= _intervals(*first)
                yield values
        for comparison, p in own:
            if comparison.base.arm != "base":
                more = _difference(comparison, None, "MAE") | _intervals(comparison, p)
                more |= next((_share(share) for share in shares if share.finetune is comparison), {})
                yield _identity(dataset, row, None, "MAE") | more
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


def _identity(dataset: str, row: Row, horizon: int | None, metric: str) -> dict[str, Any]:
    first = row.records[0]
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
    }


def _score(row: Row, horizon: int | None, metric: str) -> dict[str, Any]:
    value, first = row.cell(horizon, metric), row.records[0]
    values = {
        "mean": value.mean,
        "std": value.std,
        "n": value.count,
        "seeds": "all" if row.deterministic else " ".join(map(str, row.seeds)),
        "deterministic": int(row.deterministic),
    }
    if first.stream is None or (horizon, metric) != (None, "MAE"):
        return values
    return values | {
        "seconds_per_update": row.seconds_per_update,
        "parameters_updated": first.stream.parameters_updated,
        "adapter_bytes": first.adapter_bytes,
        "service_bytes": first.stream.service_bytes,
    }


def _intervals(comparison: Comparison, p_holm: float | None) -> dict[str, Any]:
    test, weeks = comparison.test, comparison.over_time
    return {
        "ci_low": test.low,
        "ci_high": test.high,
        "p": test.p,
        "p_holm": p_holm,
        "p_wilcoxon": test.wilcoxon,
        "over_time_low": weeks.low,
        "over_time_high": weeks.high,
        "over_time_percent_low": weeks.percent_low,
        "over_time_percent_high": weeks.percent_high,
        "no_interval_over_time": weeks.reason,
    }


def _share(share: Share) -> dict[str, Any]:
    return {
        "percent_of_finetune": share.percent,
        "percent_of_finetune_low": share.over_time.low,
        "percent_of_finetune_high": share.over_time.high,
        "seconds_percent_of_finetune": share.seconds_percent,
    }


def _difference(comparison: Comparison, horizon: int | None, metric: str) -> dict[str, Any]:
    delta, percent = (comparison.delta(horizon, metric, share) for share in (False, True))
    return {
        "minus": comparison.base.arm,
        "base_config_hash": comparison.base.config_hash,
        "pairs": delta.count,
        "delta": delta.mean,
        "delta_std": delta.std,
        "delta_percent": percent.mean,
        "delta_percent_std": percent.std,
        "unlike": "; ".join(unlike(comparison) + ["backbone unknown"] * backbone_unknown(comparison)),
    }
