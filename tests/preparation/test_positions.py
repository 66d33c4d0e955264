"""Where sensors stand: every form of file, the graph of the nearest, and what stays with the data set."""

import numpy as np
import pytest

import prepare
from stlora_ext.data.fingerprint import read_fingerprint
from stlora_ext.data.prepared import load_meta
from stlora_ext.errors import UserError
from stlora_ext.preparation.positions import great_circle
from tests.preparation.with_graph import prepared, refusal, text, weights
from tests.support.commands import SHARED
from tests.support.graphs import load_adjacency
from tests.support.raw_files import NAMES, STEPS

PUBLISHED = SHARED / "data" / "published"
PLACES = np.array([[-37.81, 144.96], [-37.82, 144.97], [-37.9, 145.1]])
ROWS = [f"{name},{latitude},{longitude}" for name, (latitude, longitude) in zip(NAMES, PLACES, strict=True)]


def geo(name, place):
    return f'{name},Point,"[{place[1]}, {place[0]}]"'


FORMS = {
    "a.csv": ["name,latitude,longitude", *ROWS],
    "b.csv": ROWS,
    "c.csv": ["index,sensor_id,latitude,longitude", *[f"{i},{row}" for i, row in enumerate(ROWS)]],
    "d.csv": [row.replace(",", ";").replace(".", ",") for row in ["sensor;lat;lon", *ROWS]],
    "e.tsv": ["station\tlng\tlat", *["\t".join(row.split(",")[place] for place in (0, 2, 1)) for row in ROWS]],
    "f.geo": ["geo_id,type,coordinates", *[geo(*pair) for pair in zip(NAMES, PLACES, strict=True)]],
    "g.csv": ROWS[::-1],
}


@pytest.mark.parametrize("file", FORMS)
def test_every_form_gives_latitude_and_longitude_in_the_order_of_the_columns(tmp_path, capsys, file):
    root = prepared(tmp_path, NAMES, "--positions", text(tmp_path / file, *FORMS[file]))
    assert np.array_equal(np.load(root / "MINE" / "positions.npy"), PLACES)
    assert f"positions of {file} read by name: 3" in capsys.readouterr().out
    assert not load_meta(root, "MINE").has_graph


def test_positions_are_no_part_of_the_fingerprint_and_are_kept_when_the_set_is_prepared_again(tmp_path):
    plain = load_meta(prepared(tmp_path, NAMES), "MINE").fingerprint
    root = prepared(tmp_path, NAMES, "--positions", text(tmp_path / "p.csv", *ROWS))
    meta = load_meta(root, "MINE")
    assert meta.fingerprint == plain == read_fingerprint(root, meta)
    prepare.main(["AGAIN", "--raw", str(root / "MINE"), "--input-len", "6", "--data", str(root)])
    assert np.array_equal(np.load(root / "AGAIN" / "positions.npy"), PLACES)


def test_new_positions_are_not_called_already_prepared(tmp_path, capsys):
    path = text(tmp_path / "p.csv", *ROWS)
    prepared(tmp_path, NAMES)
    prepared(tmp_path, NAMES, "--positions", path)
    prepared(tmp_path, NAMES, "--positions", path)
    outcomes = [line for line in capsys.readouterr().out.splitlines() if line.startswith("MINE:")]
    assert ["already prepared" in line for line in outcomes] == [False, False, True]


def by_hand(places, neighbors):
    """Return the symmetric graph of the nearest, pair by pair."""
    expected = np.zeros((len(places), len(places)))
    for i, place in enumerate(places):
        distance = [np.inf if i == j else great_circle(place, other) for j, other in enumerate(places)]
        for j in np.argsort(distance, kind="stable")[:neighbors]:
            expected[i, j] = expected[j, i] = 1
    return expected


@pytest.mark.parametrize("neighbors", [1, 3, 9])
def test_either_of_two_sensors_that_has_the_other_among_its_nearest_links_both_ways(tmp_path, capsys, neighbors):
    generator = np.random.default_rng(2)
    places = np.stack([generator.uniform(50, 60, 10), generator.uniform(-10, 10, 10)], axis=1)
    names = [f"s{i}" for i in range(10)]
    path = text(
        tmp_path / "p.csv", *[f"{name},{a!r},{b!r}" for name, (a, b) in zip(names, places.tolist(), strict=True)]
    )
    assert np.array_equal(
        weights(tmp_path, names, "--positions", path, "--neighbors", neighbors), by_hand(places, neighbors)
    )
    assert f"{neighbors} nearest by great circle, linked in both directions" in capsys.readouterr().out
    with np.load(tmp_path / "out" / "MINE" / "graph.npz") as graph:
        first = great_circle(places[graph["source"]], places[graph["target"]])
        assert np.allclose(graph["distance"], first, rtol=1e-6)


def test_distances_are_those_of_a_sphere():
    berlin, paris, near_date_line = [52.52, 13.405], [48.8566, 2.3522], np.array([[0, 179.9], [0, -179.9]])
    assert great_circle(np.array(berlin), np.array(paris)) == pytest.approx(877.5, abs=1)
    assert great_circle(*near_date_line) == pytest.approx(22.24, abs=0.01)


def test_positions_of_an_archive_give_its_graph(tmp_path):
    path = tmp_path / "raw.npz"
    values = np.random.default_rng(0).uniform(1, 9, (STEPS, 3))
    np.savez(path, data=values, position=PLACES, sensor_ids=NAMES)
    argv = ["MINE", "--raw", path, "--start", "2024-01-01", "--interval", "15", "--neighbors", 1, "--data", tmp_path]
    prepare.main([str(word) for word in argv])
    assert np.array_equal(load_adjacency(tmp_path, load_meta(tmp_path, "MINE")), by_hand(PLACES, 1))
    assert np.array_equal(np.load(tmp_path / "MINE" / "positions.npy"), PLACES)


def test_sensors_that_the_data_lack_are_left_out_when_asked(tmp_path, capsys):
    path = text(tmp_path / "p.csv", "gone,1,2", *ROWS)
    assert "--subset" in refusal(tmp_path, NAMES, "--positions", path)
    root = prepared(tmp_path, NAMES, "--positions", path, "--subset")
    assert np.array_equal(np.load(root / "MINE" / "positions.npy"), PLACES)
    assert "left out: 1 that the data lack ('gone')" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("lines", "options", "said"),
    [
        (ROWS[:2], [], "add the positions that p.csv lacks"),
        (["north,144.96,-37.81", *ROWS[1:]], [], "the longitude seems to stand first: swap them"),
        (["north,nan,2", *ROWS[1:]], [], "'north' is nan, 2"),
        (["north,x,2", *ROWS[1:]], [], "expected name,latitude,longitude"),
        (["place,x,y", *ROWS], [], "expected name,latitude,longitude"),
        ([*ROWS, "north,1,2"], [], "names sensor 'north' twice"),
        (["geo_id,type,coordinates", 'north,Polygon,"[[1, 2], [3, 4], [5, 6]]"'], [], "no position of one point"),
        ([""], [], "begins with nothing"),
        (ROWS, ["--neighbors", "3"], "--neighbors 3: expected from 1 to 2"),
    ],
)
def test_what_gives_no_position_for_every_sensor_is_refused(tmp_path, lines, options, said):
    assert said in refusal(tmp_path, NAMES, "--positions", text(tmp_path / "p.csv", *lines), *options)


def test_neighbours_need_positions(tmp_path):
    assert "add --positions FILE" in refusal(tmp_path, NAMES, "--neighbors", "2")


@pytest.mark.skipif(not PUBLISHED.is_dir(), reason=f"the published locations are not there: {PUBLISHED}")
@pytest.mark.parametrize(
    ("file", "column", "first"),
    [
        ("graph_sensor_locations.csv", 1, [34.15497, -118.31829]),
        ("graph_sensor_locations_bay.csv", 0, [37.364085, -121.901149]),
    ],
)
def test_the_published_locations_are_read(tmp_path, file, column, first):
    rows = [line.split(",") for line in (PUBLISHED / file).read_text().split()]
    names = [row[column] for row in rows if row[column] != "sensor_id"]
    root = prepared(tmp_path, names[::-1], "--positions", PUBLISHED / file, "--neighbors", "4")
    assert np.load(root / "MINE" / "positions.npy")[-1].tolist() == first
    assert str(PUBLISHED) not in (root / "MINE" / "meta.json").read_text()


@pytest.mark.parametrize("places", [PLACES[:2], PLACES * 1000, np.full((3, 2), np.nan), np.array([["a", "b"]] * 3)])
def test_an_archives_array_that_is_no_latitude_and_longitude_is_said_and_not_used(tmp_path, capsys, places):
    path = tmp_path / "raw.npz"
    np.savez(path, data=np.random.default_rng(0).uniform(1, 9, (STEPS, 3)), position=places)
    argv = ["MINE", "--raw", str(path), "--start", "2024-01-01", "--interval", "15", "--data", str(tmp_path)]
    prepare.main(argv)
    assert "positions of raw.npz are not used" in capsys.readouterr().out
    assert not (tmp_path / "MINE" / "positions.npy").exists()
    with pytest.raises(UserError, match="add --positions FILE"):
        prepare.main([*argv, "--neighbors", "1"])
