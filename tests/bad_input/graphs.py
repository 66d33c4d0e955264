"""Road graphs and lists of ids beside good readings."""

import pickle

import numpy as np

from tests.bad_input.arrays import GRID, WHEN
from tests.bad_input.row import Payload, Row
from tests.raw_files import NAMES, table, write_csv


def graph(name, write):
    """Good readings, and a graph that ``write`` writes; text is written as it is."""
    def make(folder):
        path = folder / name
        path.write_text(write) if isinstance(write, str) else write(path)
        return ["--raw", write_csv(folder / "raw.csv", *table()), "--graph", path]
    return make


def pickled(content):
    """Pickle what ``content`` makes of the folder."""
    return lambda path: path.write_bytes(pickle.dumps(content(path.parent), protocol=2))


def ids(folder):
    """A list of too few ids."""
    np.save(folder / "raw.npy", GRID)
    (folder / "ids.txt").write_text("north\nsouth\n")
    return ["--raw", folder / "raw.npy", *WHEN, "--ids", folder / "ids.txt"]


ROWS = (
    Row("edges of an unknown sensor", graph("e.csv", "from,to\nnorth,west\n"), ("e.csv names node 'west'", "expected "
                                                                               "one of the 3 sensor ids or an index")),
    Row("edges of an unknown column", graph("e.csv", "from,to\n0,3\n"), ("e.csv names node '3'", "from 0 to 2")),
    Row("a negative weight", graph("e.csv", "from,to,weight\n0,1,-1\n"), ("weight of edge 0 -> 1 is -1.0", "expected a "
                                                                         "finite number that is not negative")),
    Row("a weight of NaN", graph("e.csv", "from,to,weight\n0,1,nan\n"), ("the weight of edge 0 -> 1 is nan",)),
    Row("an edge without its weight", graph("e.csv", "from,to,weight\n0,1\n"), ("edge 1 (0,1): expected "
                                                                               "from,to,weight with numbers",)),
    Row("another column of edges", graph("e.csv", "from,to,colour\n0,1,2\n"), ("has the columns from,to,colour: "
                                                                              "expected from,to[,weight][,cost]",)),
    Row("a matrix that isn't square", graph("e.csv", "0,1\n1,0\n0,0\n"), ("shape (3, 2)", "one row and column per "
                                                                         "sensor")),
    Row("a matrix of another network", graph("e.npy", lambda path: np.save(path, np.eye(4))), ("shape (4, 4)",)),
    Row("a matrix with text", graph("e.csv", "0,1,0\n1,x,0\n0,0,0\n"), ("e.csv, line 2: not 3 numbers",)),
    Row("an empty graph", graph("e.csv", ""), ("e.csv: the matrix has shape (0, 0)", "of shape (3, 3)")),
    Row("a pickle that would run code", graph("a.pkl", pickled(lambda folder: [["a"], {}, Payload(folder)])),
        ("a.pkl cannot be read as an adjacency pickle", "expected the list [ids, id map, matrix]", "nothing in it was "
         "run"), process=True),
    Row("a pickle that would run code by its ids", graph("a.pkl", pickled(lambda folder: [Payload(folder)])),
        ("it holds the name", "nothing in it was run"), process=True),
    Row("a pickle of other sensors", graph("a.pkl", pickled(lambda _: [["x", "south", "east"], {}, np.eye(3)])),
        ("a.pkl and the data name different sensors (sensor 'north' is only in the data)", "bring the graph that")),
    Row("an archive without the set", graph("g.npz", lambda path: np.savez(path, A=np.eye(3), B=np.eye(3))),
        ("g.npz holds A, B", "choose one with --graph-key")),
    Row("a prepared graph of another size", graph("g.npz", lambda path: np.savez(
        path, num_nodes=4, source=[0], target=[3], weight=[1.0])), ("is a graph of 4 nodes, the data have 3 columns",)),
    Row("a graph that isn't there", lambda folder: ["--raw", write_csv(folder / "raw.csv", *table()), "--graph",
                                                    folder / "no.csv"], ("no.csv does not exist: check --graph",)),
    Row("too few ids", ids, ("ids.txt names 2 sensors, the data have 3 columns", "in the order of the columns")),
    Row("a graph in another order", graph("a.pkl", pickled(lambda _: [NAMES[::-1], {}, np.eye(3)])),
        ("was brought into the order of the data's columns",), accepted=True),
    Row("a repeated edge", graph("e.csv", "from,to,weight\n0,1,1\n0,1,2\n"), ("1 repeated edges in e.csv: the last of "
                                                                             "each was kept",), accepted=True),
)
