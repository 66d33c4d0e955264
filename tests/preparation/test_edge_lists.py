"""Lists of edges as people keep them: any usual header or none, by name or by position, and nothing is guessed."""

import numpy as np
import pytest

from tests.preparation.with_graph import refusal, text, weights
from tests.support.raw_files import NAMES

ENDS = [
    "from,to",
    "source,target",
    "origin,destination",
    "origin_id,destination_id",
    "from_id,to_id",
    "Source,Target",
    "src,dst",
]
EXPECTED = np.array([[0, 0.5, 0], [0, 0, 0], [0.25, 0, 0]], dtype=np.float32)


@pytest.mark.parametrize("ends", ENDS)
def test_the_usual_headers_name_the_ends(tmp_path, ends):
    path = text(tmp_path / "e.csv", f"{ends},weight", "north,south,0.5", "east,north,0.25")
    assert np.array_equal(weights(tmp_path, NAMES, "--graph", path), EXPECTED)


@pytest.mark.parametrize(
    "lines",
    [
        ["north,south,0.5", "east,north,0.25"],
        ["0,1,0.5", "2,0,0.25"],
        ["north;south;0,5", "east;north;0,25"],
        ["north\tsouth\t0.5", "east\tnorth\t0.25"],
        ["north south 0.5", "east   north 0.25"],
        ["\ufefffrom,to,weight", "north,south,0.5", "", "east,north,0.25"],
        ["weight,to,from", "0.5,south,north", "0.25,north,east"],
        [",from,to,weight", "0,north,south,0.5", "1,east,north,0.25"],
        ["rel_id,type,origin_id,destination_id,link_weight", "0,geo,north,south,0.5", "1,geo,east,north,0.25"],
        ["from,to,weight,length", "north,south,0.5,700", "east,north,0.25,90"],
        ["east,north,0.25", "north,south,0.5", "south,south,0"],  # as many rows as sensors, but no matrix
    ],
)
def test_a_list_is_read_with_or_without_a_header_and_any_separator(tmp_path, capsys, lines):
    assert np.array_equal(weights(tmp_path, NAMES, "--graph", text(tmp_path / "e.csv", *lines)), EXPECTED)
    assert ("read by position" if lines[0].startswith("0,1") else "read by name") in capsys.readouterr().out


def test_libcity_relations_are_read(tmp_path, capsys):
    lines = ["rel_id,type,origin_id,destination_id,cost", "0,geo,north,south,300", "1,geo,east,north,120"]
    stored = weights(tmp_path, NAMES, "--graph", text(tmp_path / "mine.rel", *lines))
    assert np.array_equal(stored, EXPECTED > 0)
    said = capsys.readouterr().out
    assert "edges of mine.rel read by name: 2" in said and "every edge weighs 1" in said and "--distances" in said


@pytest.mark.parametrize("column", ["cost", "distance", "dist", "length"])
def test_a_distance_makes_an_edge_of_weight_one_and_is_kept(tmp_path, capsys, column):
    path = text(tmp_path / "e.csv", f"from,to,{column}", "north,south,300", "east,north,120")
    assert np.array_equal(weights(tmp_path, NAMES + ["far"], "--graph", path)[:3, :3], EXPECTED > 0)
    assert "every edge weighs 1 and keeps its distance" in capsys.readouterr().out
    with np.load(tmp_path / "out" / "MINE" / "graph.npz") as graph:
        assert graph["distance"].tolist() == [300, 120]


@pytest.mark.parametrize("names", [["001", "002", "003"], ["1", "2", "3"], ["0010", "0020", "0030"]])
@pytest.mark.parametrize("zeros", ["", "0", "000"])
def test_numeric_names_match_but_for_leading_zeros(tmp_path, capsys, names, zeros):
    bare = [name.lstrip("0") for name in names]
    path = text(
        tmp_path / "e.csv", "from,to", f"{zeros}{bare[0]},{zeros}{bare[1]}", f"{zeros}{bare[2]},{zeros}{bare[0]}"
    )
    assert np.array_equal(weights(tmp_path, names, "--graph", path), EXPECTED > 0)
    said = capsys.readouterr().out
    assert "read by name" in said
    assert ("but for leading zeros" in said) == (zeros + bare[0] != names[0])


@pytest.mark.parametrize(("first", "second"), [("1", "01"), ("01", "1")])
def test_names_that_leading_zeros_alone_tell_apart_are_not_matched(tmp_path, first, second):
    data = refusal(tmp_path, [first, second, "7"], "--graph", text(tmp_path / "e.csv", "from,to", "001,7"))
    assert "'001'" in data and "--subset" in data
    graph = refusal(
        tmp_path, ["001", "7", "8"], "--graph", text(tmp_path / "e.csv", "from,to", f"{first},{second}", "7,8")
    )
    assert "'1'" in graph


@pytest.mark.parametrize(
    ("names", "edges"),
    [
        (["001", "002", "003"], ["0,1", "1,2"]),  # position 0 is no name
        (["1", "2", "3"], ["0,1", "1,2"]),
        (["a", "b", "1"], ["0,1", "1,2"]),
        (["a", "b", "c"], ["1,2"]),  # counted from 1, or other names
        (["s1", "s2", "s3"], ["1,2", "2,1"]),
        (["a", "b", "c"], ["1,2", "2,3", "3,1"]),
        (["a", "b", "c"], ["x,y"]),
    ],
)
def test_names_never_fall_back_to_positions_where_they_might_be_names(tmp_path, names, edges):
    message = refusal(tmp_path, names, "--graph", text(tmp_path / "e.csv", "from,to", *edges))
    assert "expected the data's names" in message


def test_positions_are_taken_where_no_node_is_a_name_and_zero_is_one(tmp_path, capsys):
    path = text(tmp_path / "e.csv", "from,to", "0,1", "2,0")
    assert np.array_equal(weights(tmp_path, ["773869", "767541", "767542"], "--graph", path), EXPECTED > 0)
    assert "edges of e.csv read by position: 2" in capsys.readouterr().out


def test_sensors_that_the_data_lack_are_left_out_when_asked_and_counted(tmp_path, capsys):
    lines = ["from,to,weight", "north,south,0.5", "east,gone,1", "gone,lost,1", "east,north,0.25"]
    path = text(tmp_path / "e.csv", *lines)
    message = refusal(tmp_path, NAMES, "--graph", path)
    assert "2 of its 5 sensors" in message and "'gone', 'lost'" in message and "--subset" in message
    assert np.array_equal(weights(tmp_path, NAMES, "--graph", path, "--subset"), EXPECTED)
    assert "read by name: 2; left out: 2, whose sensors the data lack (2: 'gone', 'lost')" in capsys.readouterr().out


def test_subset_does_not_turn_another_network_into_an_empty_graph(tmp_path):
    path = text(tmp_path / "e.csv", "from,to", "x,y")
    assert "no sensor of the data" in refusal(tmp_path, NAMES, "--graph", path, "--subset")


@pytest.mark.parametrize("options", [[], ["--start", "2024-01-01"]])
def test_subset_without_a_file_to_leave_out_of_is_refused(tmp_path, options):
    assert "--subset" in refusal(tmp_path, NAMES, "--subset", *options)


def test_edges_that_count_from_1_over_sensors_that_count_from_0_are_told_from_edges_of_other_sensors(tmp_path):
    path = text(tmp_path / "e.csv", "from,to", "1,2", "2,3")
    said = refusal(tmp_path, ["0", "1", "2"], "--graph", path)
    assert "count from 1: subtract 1" in said and "--subset" not in said
    assert "--subset" in refusal(tmp_path, ["0", "1", "5"], "--graph", path)
