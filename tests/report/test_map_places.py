"""The map draws sensors where they stand: latitude and longitude where the data set has them."""

import math
import shutil
from dataclasses import replace

import numpy as np
import pytest

from stlora_ext.data.quantity import Quantity
from stlora_ext.errors import UserError
from stlora_ext.report.maps import map_figure
from stlora_ext.report.nodes import NodeErrors
from stlora_ext.report.placement import project
from stlora_ext.report.prepared import Prepared
from tests.support.reopened import data, quick_meta

PLACES = np.array([[52.5, 13.4], [52.6, 13.4], [52.5, 13.6], [52.4, 13.3], [52.55, 13.35]])


def network(tmp_path, positions):
    """The network of QUICK with a file of positions."""
    shutil.copytree(data(), tmp_path, dirs_exist_ok=True)
    np.save(tmp_path / "QUICK" / "positions.npy", positions)
    return Prepared(5, tmp_path, quick_meta())


def test_positions_of_the_data_set_are_drawn_with_the_edges_of_its_graph(tmp_path):
    prepared = network(tmp_path, PLACES)
    without = Prepared(5, data(), quick_meta()).network
    assert np.array_equal(prepared.network.xy, project(PLACES)) and not np.array_equal(without.xy, project(PLACES))
    assert np.array_equal(prepared.network.edges, without.edges) and len(without.edges)
    errors = [NodeErrors("LSTM+", np.ones(5), np.full(5, 0.9), 1)]
    drawn = map_figure("map", "QUICK", errors, prepared, Quantity())
    assert np.array_equal(np.array(drawn.traces[-1].x), project(PLACES)[:, 0])
    assert "latitudes and longitudes" in drawn.caption


def test_a_set_without_a_graph_is_drawn_as_a_map_too(tmp_path):
    shutil.copytree(data(), tmp_path, dirs_exist_ok=True)
    np.save(tmp_path / "QUICK" / "positions.npy", PLACES)
    drawn = Prepared(5, tmp_path, replace(quick_meta(), has_graph=False)).network
    assert np.array_equal(drawn.xy, project(PLACES)) and not len(drawn.edges)


def test_north_is_above_east_is_right_and_lengths_are_km():
    xy = project(PLACES)
    assert xy[1, 1] - xy[0, 1] == pytest.approx(11.12, abs=0.01) and xy[1, 0] == xy[0, 0]
    assert xy[2, 0] - xy[0, 0] == pytest.approx(0.2 * 111.195 * math.cos(math.radians(52.5)), abs=0.01)


def test_a_network_across_the_date_line_stays_together():
    assert np.ptp(project(np.array([[-17.0, 179.9], [-17.0, -179.9]]))[:, 0]) < 25


@pytest.mark.parametrize("positions", [PLACES[:3], np.full((5, 2), np.nan), np.array(["a"] * 5), np.zeros((5, 3))])
def test_positions_of_another_network_are_refused_by_file(tmp_path, positions):
    with pytest.raises(UserError, match=r"positions\.npy cannot be read"):
        _ = network(tmp_path, positions).network
