"""The legend of a picture stands beside its axes and within it, however many lines and however long their names."""

import pytest
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure

from stlora_ext.plots.legend import save_with_legend, save_with_legend_per_panel


@pytest.mark.parametrize("count", [1, 6, 30, 80])
@pytest.mark.parametrize("name", ["LSTM", "a model with a very long name (control), adapt [0123abcd], 3 seeds, $x_1"])
@pytest.mark.parametrize("panels", [1, 3])
def test_a_legend_covers_nothing_and_the_axes_keep_their_size(count, name, panels, tmp_path):
    figure = Figure(figsize=(7 * panels, 4.2), layout="constrained")
    for axes in figure.subplots(1, panels, squeeze=False)[0]:
        axes.set(xlabel="ahead", ylabel="MAE, vehicles in 5 min", title="a title")
        for number in range(count):
            axes.plot([1, 2], [number, 1], label=f"{name} {number}")
    save_with_legend(figure, tmp_path / "a.png")
    renderer = FigureCanvasAgg(figure).get_renderer()
    (legend,) = figure.legends
    assert [text.get_text() for text in legend.get_texts()] == [f"{name} {number}" for number in range(count)]
    extent, whole = legend.get_window_extent(renderer), figure.bbox
    assert extent.x0 >= 0 and extent.y0 >= 0 and extent.x1 <= whole.x1 and extent.y1 <= whole.y1
    for axes in figure.axes:
        assert axes.get_tightbbox(renderer).x1 <= extent.x0
        assert axes.bbox.width > 0.7 * 7 * figure.dpi and axes.bbox.height > 0.7 * 4.2 * figure.dpi


@pytest.mark.parametrize("panels", [1, 4])
@pytest.mark.parametrize(("count", "name"), [(1, "LSTM"), (12, "plus, $x_1, adapter.sharing=embedding\n0.25 s")])
def test_a_panels_legend_stands_beside_it_and_the_axes_keep_their_size(count, name, panels, tmp_path):
    figure = Figure(figsize=(8, 2.9 * panels), layout="constrained")
    for axes in figure.subplots(panels, 1, squeeze=False)[:, 0]:
        axes.set(ylabel="MAE, vehicles in 5 min", title="a title")
        for number in range(count):
            axes.plot([1, 2], [number, 1], label=f"{name} {number}")
    save_with_legend_per_panel(figure, tmp_path / "a.png")
    renderer = FigureCanvasAgg(figure).get_renderer()
    extents = [axes.get_legend().get_window_extent(renderer) for axes in figure.axes]
    for axes, extent in zip(figure.axes, extents, strict=True):
        assert [text.get_text() for text in axes.get_legend().get_texts()] == [f"{name} {i}" for i in range(count)]
        assert extent.x0 >= axes.bbox.x1 and extent.x1 <= figure.bbox.x1 and extent.y0 >= 0
        assert axes.bbox.width > 0.7 * 8 * figure.dpi and axes.bbox.height > 0.6 * 2.9 * figure.dpi
    assert all(below.y1 <= above.y0 for above, below in zip(extents, extents[1:], strict=False))


def test_a_picture_without_labels_has_no_legend(tmp_path):
    figure = Figure(layout="constrained")
    figure.add_subplot().plot([1, 2])
    save_with_legend(figure, tmp_path / "a.png")
    assert figure.legends == [] and (tmp_path / "a.png").exists()
