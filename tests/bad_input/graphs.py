"""Road graphs and lists of ids beside good readings."""

import pickle

import numpy as np

from tests.bad_input.arrays import GRID, WHEN
from tests.bad_input.row import Payload, Row
from tests.support.raw_files import NAMES, table, write_csv


def graph(name, write):
    """Good readings, and a graph that ``write`` writes; text is written as it is."""

    def make(folder):
        path = folder / name
        path.write_text(write) if isinstance(write, str) else write(path)
        return ["--raw", write_csv(folder / "raw.csv", *table()), "--graph", path]

    return make


def prepared(**changes):
    """Good readings, and the arrays of a ``graph.npz`` that ``prepare.py`` wrote, some of them changed."""
    arrays = {
        "num_nodes": 3,
        "source": [0, 1],
        "target": [1, 2],
        "weight": [1.0, 0.5],
        "distance": [2.0, 3.0],
        "position": np.zeros((3, 2)),
        **changes,
    }
    return graph("g.npz", lambda path: np.savez(path, **arrays))


def pickled(content):
    """Pickle what ``content`` makes of the folder."""
    return lambda path: path.write_bytes(pickle.dumps(content(path.parent), protocol=2))


def ids(folder):
    """A list of too few ids."""
    np.save(folder / "raw.npy", GRID)
    (folder / "ids.txt").write_text("north\nsouth\n")
    return ["--raw", folder / "raw.npy", *WHEN, "--ids", folder / "ids.txt"]


ROWS = (
    Row(
        "edges of an unknown sensor",
        graph("e.csv", "from,to\nnorth,west\n"),
        ("1 of its 2 sensors as no sensor of the data ('west')", "expected the data's names ('north'", "--subset"),
    ),
    Row(
        "edges of an unknown column",
        graph("e.csv", "from,to\n0,3\n"),
        ("e.csv names node '3' and no sensor", "from 0 to 2"),
    ),
    Row(
        "a negative weight",
        graph("e.csv", "from,to,weight\n0,1,-1\n"),
        ("weight of edge 0 -> 1 is -1.0", "expected a finite number that is not negative"),
    ),
    Row("a weight of NaN", graph("e.csv", "from,to,weight\n0,1,nan\n"), ("the weight of edge 0 -> 1 is nan",)),
    Row(
        "an edge without its weight",
        graph("e.csv", "from,to,weight\n0,1\n"),
        ("edge 1 (0,1): expected from,to,weight with numbers",),
    ),
    Row(
        "an edge with one number for two",
        graph("e.csv", "from,to,weight,cost\n0,1,1,2\n1,2,800\n"),
        ("e.csv, edge 2 (1,2,800): expected from,to,weight,cost with numbers from the third column on",),
    ),
    Row(
        "an edge without its other end",
        graph("e.csv", "from,to\nsouth\n"),
        ("e.csv, edge 1 (south): expected from,to with numbers",),
    ),
    Row(
        "an edge with a number too many",
        graph("e.csv", "from,to\n0,1,800\n"),
        ("edge 1 (0,1,800): expected from,to with numbers",),
    ),
    Row(
        "another column of edges",
        graph("e.csv", "from,to,colour\n0,1,2\n"),
        ("has the columns from,to,colour: expected from,to[,weight][,cost]",),
    ),
    Row(
        "a matrix that isn't square",
        graph("e.csv", "0,1,0,0\n1,0,0,0\n0,0,0,0\n"),
        ("shape (3, 4)", "one row and column per sensor"),
    ),
    Row("a matrix of another network", graph("e.npy", lambda path: np.save(path, np.eye(4))), ("shape (4, 4)",)),
    Row("a matrix with text", graph("e.csv", "0,1,0\n1,x,0\n0,0,0\n"), ("e.csv, line 2: not 3 numbers",)),
    Row(
        "a matrix with a short row",
        graph("e.csv", "0,1,0\n1\n0,0,0\n"),
        ("e.csv, line 2: not 3 numbers", "a matrix of numbers without a header"),
    ),
    Row("a matrix with a long row", graph("e.csv", "0,1,0\n1,0,0,0\n0,0,0\n"), ("e.csv, line 2: not 3 numbers",)),
    Row("an empty graph", graph("e.csv", ""), ("e.csv: the matrix has shape (0, 0)", "of shape (3, 3)")),
    Row(
        "a pickle that would run code",
        graph("a.pkl", pickled(lambda folder: [["a"], {}, Payload(folder)])),
        (
            "a.pkl cannot be read as an adjacency pickle",
            "expected the list [ids, id map, matrix]",
            "nothing in it was run",
        ),
        process=True,
    ),
    Row(
        "a pickle that would run code by its ids",
        graph("a.pkl", pickled(lambda folder: [Payload(folder)])),
        ("it holds the name", "nothing in it was run"),
        process=True,
    ),
    Row(
        "a pickle of other sensors",
        graph("a.pkl", pickled(lambda _: [["x", "south", "east"], {}, np.eye(3)])),
        ("a.pkl and the data name different sensors (sensor 'north' is only in the data)", "bring the graph that"),
    ),
    Row(
        "an archive without the set",
        graph("g.npz", lambda path: np.savez(path, A=np.eye(3), B=np.eye(3))),
        ("g.npz holds A, B", "choose one with --graph-key"),
    ),
    Row(
        "a prepared graph of another size",
        graph("g.npz", lambda path: np.savez(path, num_nodes=4, source=[0], target=[3], weight=[1.0])),
        ("is a graph of 4 nodes, the data have 3 columns",),
    ),
    Row(
        "a prepared graph of other nodes",
        prepared(target=[1, 3]),
        ("g.npz names node '3': expected an index from 0 to 2", "bring the graph that belongs to"),
    ),
    *(
        Row(
            f"a prepared graph with {what}",
            prepared(**{name: value}),
            (f"g.npz: '{name}' has shape {shape}: expected {expected}", "as in the graph.npz"),
        )
        for what, name, value, shape, expected in (
            ("two sizes", "num_nodes", [3, 3], "(2,) of int64", "whole numbers of shape ()"),
            ("half a node", "num_nodes", 3.5, "() of float64", "whole numbers of shape ()"),
            ("sources between nodes", "source", [0.5, 1.5], "(2,) of float64", "whole numbers of shape (2,)"),
            ("sources that are text", "source", ["0", "1"], "(2,) of <U1", "whole numbers of shape (2,)"),
            ("sources in two dimensions", "source", [[0], [1]], "(2, 1) of int64", "whole numbers of shape (2,)"),
            ("one source", "source", 0, "() of int64", "whole numbers of shape (1,)"),
            ("one target", "target", [1], "(1,) of int64", "whole numbers of shape (2,)"),
            ("a target too many", "target", [1, 2, 0], "(3,) of int64", "whole numbers of shape (2,)"),
            ("five weights", "weight", np.ones(5), "(5,) of float64", "numbers of shape (2,)"),
            ("one weight", "weight", [1.0], "(1,) of float64", "numbers of shape (2,)"),
            ("weights that are text", "weight", ["1", "a"], "(2,) of <U1", "numbers of shape (2,)"),
            ("one distance", "distance", [1.0], "(1,) of float64", "numbers of shape (2,)"),
            ("positions of no map", "position", np.zeros((5, 7)), "(5, 7) of float64", "numbers of shape (3, 2)"),
        )
    ),
    Row(
        "a prepared graph with a position of NaN",
        prepared(position=[[0, 0], [0, np.nan], [1, 1]]),
        ("g.npz: the position of node 1 is [0.0, nan]: expected finite coordinates", "leave 'position' out"),
    ),
    Row(
        "an archive with one id",
        graph("g.npz", lambda path: np.savez(path, adj=np.eye(3), sensor_ids="abc")),
        ("g.npz names 1 sensors, the data have 3 columns", "expected one name per column"),
    ),
    Row(
        "a graph that isn't there",
        lambda folder: ["--raw", write_csv(folder / "raw.csv", *table()), "--graph", folder / "no.csv"],
        ("no.csv does not exist: check --graph",),
    ),
    Row("too few ids", ids, ("ids.txt names 2 sensors, the data have 3 columns", "in the order of the columns")),
    Row("a prepared graph", prepared(), ("2 directed edges", "with distance and position"), accepted=True),
    Row(
        "a graph in another order",
        graph("a.pkl", pickled(lambda _: [NAMES[::-1], {}, np.eye(3)])),
        ("was brought into the order of the data's columns",),
        accepted=True,
    ),
    Row(
        "a repeated edge",
        graph("e.csv", "from,to,weight\n0,1,1\n0,1,2\n"),
        ("1 repeated edges in e.csv: the last of each was kept",),
        accepted=True,
    ),
)
