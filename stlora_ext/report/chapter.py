"""What the page says of one data set, section by section; what can't be shown says why, and what brings it."""

from collections.abc import Sequence
from dataclasses import dataclass

from markupsafe import Markup

from stlora_ext.data.quantity import Quantity
from stlora_ext.report.costs import costs_figure, costs_grid
from stlora_ext.report.curves import horizon_figure, training_figure
from stlora_ext.report.forecasts import Forecasts, forecast_figure
from stlora_ext.report.maps import distance_figure, map_figure, summary_grid
from stlora_ext.report.nodes import NodeErrors
from stlora_ext.report.page import Chapter, Section
from stlora_ext.report.prepared import Prepared
from stlora_ext.report.provenance import provenance
from stlora_ext.tables.html import fragment, grid_fragment
from stlora_ext.tables.rows import Row
from stlora_ext.tables.table import Table
from stlora_ext.templates import filled, lines


@dataclass(frozen=True)
class ChapterData:
    """What a chapter is made of.

    Attributes:
        rows: Rows of one data set and one fingerprint.
        table: Their table.
        errors: The nodes' errors, per comparison.
        without: Comparisons whose records hold no errors of nodes.
        prepared: The data behind them.
        forecasts: Forecasts at chosen nodes; None without data.
        quantity: What the data set measures.
        horizons: Steps to show; None: the usual ones.
    """

    rows: Sequence[Row]
    table: Table
    errors: Sequence[NodeErrors]
    without: Sequence[str]
    prepared: Prepared
    forecasts: Forecasts | None
    quantity: Quantity
    horizons: Sequence[int] | None = None


def chapter(number: int, material: ChapterData) -> Chapter:
    """Return the chapter of one data set; ``number`` sets its anchors apart from the others'."""
    dataset, name = material.table.dataset, f"data-{number}"
    title = chapter_title(dataset, material.table.heading, material.quantity)
    training = training_figure(f"{name}-training-figure", dataset, material.rows, material.quantity)
    parts = (
        ("table", "Tables", fragment(material.table)),
        (
            "horizon",
            "Error against horizon",
            horizon_figure(
                f"{name}-horizon-figure", dataset, material.rows, material.quantity, material.horizons
            ).html(),
        ),
        (
            "training",
            "Training",
            training.html() if training else absent("No model here was trained by epochs: fitted ones have no curve."),
        ),
        ("nodes", "Who gains, who loses", _nodes(f"{name}-nodes-figure", dataset, material)),
        (
            "distance",
            "Gain against distance from the average node",
            _distance(f"{name}-distance-figure", dataset, material),
        ),
        ("forecasts", "Forecasts against truth", _forecasts(f"{name}-forecasts-figure", dataset, material)),
        (
            "costs",
            "Parameters and time",
            lines(
                [
                    costs_figure(f"{name}-costs-figure", dataset, material.rows).html(),
                    grid_fragment(costs_grid(material.rows)),
                ]
            ),
        ),
        ("provenance", "Provenance", provenance(material.rows)),
    )
    return Chapter(name, title, tuple(Section(f"{name}-{anchor}", heading, body) for anchor, heading, body in parts))


def chapter_title(dataset: str, heading: str, quantity: Quantity) -> str:
    """Return the data set's name, what it measures, and of ``heading`` which version it is, where there are several."""
    version = heading.partition(" (")[0]
    return ", ".join(filter(None, (quantity.heading(dataset), version[:1].lower() + version[1:])))


def absent(text: str) -> Markup:
    """Return a paragraph that says what isn't there."""
    return filled("report/absent.html", text=text)


def _nodes(name: str, dataset: str, material: ChapterData) -> Markup:
    if not material.errors:
        return _no_comparison(material)
    figure = map_figure(name, dataset, material.errors, material.prepared, material.quantity)
    grid = summary_grid(material.errors, material.prepared)
    return lines([figure.html(), grid_fragment(grid), *_absent_data(material), *_without(material)])


def _distance(name: str, dataset: str, material: ChapterData) -> Markup:
    if not material.errors:
        return _no_comparison(material)
    shown = _absent_data(material) or [
        distance_figure(name, dataset, material.errors, material.prepared, material.quantity).html()
    ]
    return lines([*shown, *_without(material)])


def _forecasts(name: str, dataset: str, material: ChapterData) -> Markup:
    forecasts = material.forecasts
    if forecasts is None:
        return lines(_absent_data(material))
    shown = [forecast_figure(name, dataset, forecasts, material.quantity).html()] if forecasts.rows else []
    if forecasts.absent:
        shown.append(filled("report/not_shown.html", absent=forecasts.absent))
    return lines(shown)


def _no_comparison(material: ChapterData) -> Markup:
    return lines(_without(material)) or absent(
        "There is no “+” with a base of the same settings and seeds here; the tables say what is missing and the "
        "command that fills it."
    )


def _without(material: ChapterData) -> list[Markup]:
    if not material.without:
        return []
    return [
        absent(
            f"Records without the errors of single nodes: {', '.join(material.without)}. Repeat these runs with "
            "python experiments/run.py ... --force."
        )
    ]


def _absent_data(material: ChapterData) -> list[Markup]:
    if material.prepared.meta is not None:
        return []
    return [absent(f"This needs the prepared data set: {material.prepared.absent}")]
