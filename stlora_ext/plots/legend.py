"""A picture with its legend beside the axes, which grows with it."""

from pathlib import Path

from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure

from stlora_ext.files import atomic_path

_MARGIN = 0.15  # inches around the legend


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
    with atomic_path(path) as temporary:
        figure.savefig(temporary, format="png", dpi=120, metadata={"Software": None})
