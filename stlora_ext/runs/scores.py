"""The scores of a run as a command prints them, and how far two runs' scores are apart."""

from stlora_ext.digits import number
from stlora_ext.horizons import reported_steps, step_title
from stlora_ext.runs.record import Scores


def score_lines(scores: Scores, interval: float) -> list[str]:
    """Return a line of MAE, RMSE and MAPE for each reported step, and for the average.

    Args:
        scores: The scores.
        interval: Minutes per step.
    """
    steps = reported_steps(len(scores.horizons))
    rows = {step_title(step, interval): scores.horizons[step - 1] for step in steps}
    rows["average"] = scores.average
    width = max(map(len, rows)) + 1
    return [
        f"  {title:{width}}" + "  ".join(f"{name} {number(value)}" for name, value in metrics.items())
        for title, metrics in rows.items()
    ]


def largest_difference(first: Scores, second: Scores) -> tuple[float, str | None]:
    """Compare the average and every step of two runs' scores.

    Returns:
        tuple: The largest absolute difference and where it is, such as ``step 5 MAPE``; ``(0.0, None)`` where all are
            equal to the bit, infinite where one has a score that the other lacks.
    """
    if len(first.horizons) != len(second.horizons):
        return float("inf"), "the number of steps"
    pairs = [("average", first.average, second.average)]
    pairs += [
        (f"step {step}", *scores)
        for step, scores in enumerate(zip(first.horizons, second.horizons, strict=True), start=1)
    ]
    largest, part = 0.0, None
    for title, metrics, others in pairs:
        for metric, value in metrics.items():
            other = others[metric]
            if value is None and other is None:
                continue
            apart = float("inf") if value is None or other is None else abs(value - other)
            if apart > largest:
                largest, part = apart, f"{title} {metric}"
    return largest, part
