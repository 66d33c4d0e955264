"""A picture with its legend beside the axes, one beside each panel, which grows with it, or one below each."""

from pathlib import Path

from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure

from stlora_ext.files import atomic_path

_MARGIN = 0.15  # inches around the legend
_ROW = 0.9  # inches of a panel's title, axis and their margins


def save_with_legend(figure: Figure, path: Path) -> None:
    """Write ``figure`` as a PNG; a legend of all labels, each once, stands to the right of its axes.

    The picture grows by the legend's width, and to its height, so that the axes keep the size that they were given.
    """
    labelled = [axes.get_legend_handles_labels() for axes in figure.axes]
    handles = {label: handle for pair in labelled for handle, label in zip(*pair, strict=True)}
    if handles:
        legend = figure.legend(handles.values(), handles.keys(), frameon=False, loc="outside right upper")
        for text in legend.get_texts():
            text.set_parse_math(False)
        extent = legend.get_window_extent(FigureCanvasAgg(figure).get_renderer())
        width, height = figure.get_size_inches()
        figure.set_size_inches(
            width + extent.width / figure.dpi + _MARGIN, max(height, extent.height / figure.dpi + 2 * _MARGIN)
        )
    _save(figure, path)


def save_with_legend_per_panel(figure: Figure, path: Path) -> None:
    """Write ``figure``, panels one below the other, as a PNG; each panel's legend stands to its right.

    The picture grows by the widest legend, and a panel to the height of its own, so that the axes keep their size.
    """
    width, height = figure.get_size_inches()
    legends = [
        axes.legend(frameon=False, loc="upper left", bbox_to_anchor=(1.01, 1), borderaxespad=0, labelspacing=0.7)
        for axes in figure.axes
    ]
    for text in (text for legend in legends for text in legend.get_texts()):
        text.set_parse_math(False)
    renderer = FigureCanvasAgg(figure).get_renderer()
    extents = [legend.get_window_extent(renderer) for legend in legends]
    rows = [max(height / len(legends), extent.height / figure.dpi + _ROW) for extent in extents]
    grid = figure.axes[0].get_gridspec()
    assert grid is not None
    grid.set_height_ratios(rows)
    widest = max(extent.width for extent in extents) / figure.dpi
    figure.set_size_inches(width + widest + _MARGIN, sum(rows))
    _save(figure, path)


def save_with_legend_below(figure: Figure, path: Path) -> None:
    """Write ``figure``, panels side by side, as a PNG; each panel's legend stands below it.

    The picture grows by the tallest legend, so that the axes keep their size.
    """
    width, height = figure.get_size_inches()
    legends = [
        axes.legend(frameon=False, loc="upper center", bbox_to_anchor=(0.5, -0.6 / height), fontsize=8)
        for axes in figure.axes
    ]
    for text in (text for legend in legends for text in legend.get_texts()):
        text.set_parse_math(False)
    renderer = FigureCanvasAgg(figure).get_renderer()
    tallest = max(legend.get_window_extent(renderer).height for legend in legends) / figure.dpi
    figure.set_size_inches(width, height + tallest)
    _save(figure, path)


def _save(figure: Figure, path: Path) -> None:
    with atomic_path(path) as temporary:
        figure.savefig(temporary, format="png", dpi=120, metadata={"Software": None})
