"""Files from strangers: nothing that they name is ever run."""

import contextlib
import os
import pickle
import pickletools
import re
import subprocess
import tracemalloc
import warnings
from pathlib import Path

import h5py
import numpy as np
import pytest

from stlora_ext.errors import UserError
from stlora_ext.preparation.hdf5 import read_hdf5
from stlora_ext.preparation.safe_pickle import load_adjacency_pickle
from tests.support.commands import SHARED
from tests.support.pickles import numpy1_pickle, python2_pickle

PUBLISHED = SHARED / "data" / "published"
PY2_PICKLE = Path(__file__).parent / "fixtures" / "adj_mx_py2.pkl"


class Runs:
    """Would make a folder when unpickled."""

    def __init__(self, path):
        self.path = path

    def __reduce__(self):
        return os.mkdir, (str(self.path),)


def refusal(path):
    with pytest.raises(UserError) as caught:
        load_adjacency_pickle(path)
    return str(caught.value)


def test_the_fixture_is_a_python_2_pickle_of_protocol_2():
    names = {argument for opcode, argument, _ in pickletools.genops(PY2_PICKLE.read_bytes()) if opcode.name == "GLOBAL"}
    assert names == {"numpy.core.multiarray _reconstruct", "numpy ndarray", "numpy dtype"}
    ids, matrix = load_adjacency_pickle(PY2_PICKLE)
    assert ids == ["773869", "767541", "767542", "717447"]
    assert matrix.dtype == np.float32 and matrix[2, 0] == np.float32(0.2)


@pytest.mark.parametrize("protocol", range(pickle.HIGHEST_PROTOCOL + 1))
@pytest.mark.parametrize(
    "matrix",
    [
        np.arange(9, dtype=np.float32).reshape(3, 3),
        np.asfortranarray(np.tri(3)),
        np.eye(3, dtype=">f4"),
        np.eye(3, dtype=bool),
        np.eye(3, dtype=np.int64),
    ],
)
def test_every_protocol_and_plain_type_is_read(tmp_path, protocol, matrix):
    path = tmp_path / "adj.pkl"
    path.write_bytes(pickle.dumps([["a", "b", "c"], {"a": np.int64(0)}, matrix], protocol=protocol))
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        ids, read = load_adjacency_pickle(path)
    assert ids == ["a", "b", "c"] and read.dtype == matrix.dtype and np.array_equal(read, matrix)


@pytest.mark.skipif(not PUBLISHED.is_dir(), reason=f"the published graphs are not there: {PUBLISHED}")
@pytest.mark.parametrize(
    ("file", "nodes", "total", "first"),
    [("adj_mx.pkl", 207, 814.58, "773869"), ("adj_mx_bay.pkl", 325, 1654.75, "400001")],
)
def test_a_graph_is_read_as_dcrnn_published_it(file, nodes, total, first):
    ids, matrix = load_adjacency_pickle(PUBLISHED / file)
    assert len(set(ids)) == nodes and ids[0] == first
    assert matrix.shape == (nodes, nodes) and matrix.dtype == np.float32
    assert matrix.sum(dtype=np.float64) == pytest.approx(total, abs=0.005)


WEIGHTS = np.array([[1, 0.39, 0], [0, -1.5, 2.6e-36], [1e30, 0, 0.7]], dtype=np.float32)  # some bytes above 127
WEIGHTS[1, 0] = np.frombuffer(b"\n\n\n?", dtype="<f4")[0]  # and some that are LF


@pytest.mark.parametrize("protocol", range(3))
@pytest.mark.parametrize(
    "ids",
    [
        [b"773869", b"71\xe97", b"'\""],
        ["773869", "71\xe97", "\u6771"],
        [773869, 5, -1],
        np.array([b"773869", b"717447", b"5"]),
    ],
)
@pytest.mark.parametrize("matrix", [WEIGHTS, WEIGHTS.astype(np.float64), np.eye(3, dtype=">i8"), WEIGHTS > 0])
def test_every_protocol_of_python_2_is_read(tmp_path, protocol, ids, matrix):
    path = tmp_path / "adj.pkl"
    path.write_bytes(python2_pickle([ids, {b"773869": 0, b"717447": 300}, matrix], protocol))
    read_ids, read = load_adjacency_pickle(path)
    assert read_ids == [name.decode("latin1") if isinstance(name, bytes) else str(name) for name in ids]
    assert read.dtype == matrix.dtype and np.array_equal(read, matrix)


@pytest.mark.parametrize("protocol", range(pickle.HIGHEST_PROTOCOL + 1))
def test_every_protocol_of_numpy_1_is_read(tmp_path, protocol):
    path = tmp_path / "adj.pkl"
    path.write_bytes(numpy1_pickle([["a", "b", "c"], {"a": np.int64(0)}, WEIGHTS], protocol))
    assert b"_core" not in path.read_bytes()
    ids, read = load_adjacency_pickle(path)
    assert ids == ["a", "b", "c"] and np.array_equal(read, WEIGHTS)


def texts(protocol):
    """Pickles that hold LF and no CR: of either Python, ids as each writes them."""
    if protocol < 3:
        yield python2_pickle([[b"773869", b"767541", b"5"], {b"773869": 0}, WEIGHTS], protocol)
        yield python2_pickle([["773869", "767541", "5"], {"773869": 0}, WEIGHTS], protocol)
    yield pickle.dumps([["773869", "767541", "5"], {"773869": 0}, WEIGHTS], protocol)


@pytest.mark.parametrize(
    ("end", "named", "protocols"),
    [(b"\r\n", "CR LF where", range(6)), (b"\r\r\n", "CR LF wherever", range(6)), (b"\r", "CR where", range(4))],
)  # from protocol 4 on no line has an end: LF is a byte of a number
def test_changed_line_ends_are_named(tmp_path, end, named, protocols):
    for program in (program for protocol in protocols for program in texts(protocol)):
        (tmp_path / "adj.pkl").write_bytes(program.replace(b"\n", end))
        assert f"has {named} a pickle has LF: its line ends were changed" in refusal(tmp_path / "adj.pkl")


@pytest.mark.parametrize("end", [b" ", b"", b"\n\n", b"\t"])
def test_lines_that_run_on_or_are_empty_are_named(tmp_path, end):
    for program in texts(0):
        (tmp_path / "adj.pkl").write_bytes(program.replace(b"\n", end))
        assert "a line that doesn't end as a pickle's lines do" in refusal(tmp_path / "adj.pkl")


@pytest.mark.parametrize("end", [b"\r\n", b"\r", b"\n\n"])
def test_one_changed_line_end_gives_the_same_graph_or_is_named(tmp_path, end):
    path, named = tmp_path / "adj.pkl", 0
    for program in texts(0):
        path.write_bytes(program)
        ids, matrix = load_adjacency_pickle(path)
        for place in (match.start() for match in re.finditer(b"\n", program)):
            path.write_bytes(program[:place] + end + program[place + 1 :])
            try:
                read_ids, read = load_adjacency_pickle(path)
            except UserError as error:
                named += "line ends were changed" in str(error)
            else:
                assert read_ids == ids and np.array_equal(read, matrix)
    assert named > 30


def test_the_command_that_turns_line_ends_back_does(tmp_path):
    for protocol in range(pickle.HIGHEST_PROTOCOL + 1):
        for number, program in enumerate(texts(protocol)):
            path = tmp_path / f"my graph's {protocol} {number}.pkl"
            path.write_bytes(program.replace(b"\n", b"\r\n"))
            subprocess.run(refusal(path).partition("or turn them back: ")[2], shell=True, check=True)
            assert path.read_bytes() == program


def test_an_array_without_bytes_is_refused(tmp_path):
    for program in (b"cnumpy.core.multiarray\n_reconstruct\n(tR.", b"(l(lacnumpy.core.multiarray\n_reconstruct\n(tRa."):
        (tmp_path / "adj.pkl").write_bytes(program)
        assert "holds no adjacency" in refusal(tmp_path / "adj.pkl")


LONG = b"X" + (10**5).to_bytes(4, "little") + b"x" * 10**5 + b"q\x01"
ENCODED = b"c_codecs\nencode\nh\x01X\x06\x00\x00\x00latin1\x86R"
MILLION_BY_0 = (
    b"cnumpy.core.numeric\n_frombuffer\n(C\x00cnumpy\ndtype\n(X\x02\x00\x00\x00f4tR"
    b"J\x40\x42\x0f\x00K\x00\x86X\x01\x00\x00\x00CtR"
)


@pytest.mark.parametrize(
    "program",
    [
        b"\x80\x02](" + LONG + ENCODED * 1000 + b"e.",
        b"\x80\x03](" + MILLION_BY_0 + b"}" + MILLION_BY_0 + b"e.",
        b"\x80\x05\x96" + (10**8).to_bytes(8, "little") + b"x.",
        b"\x80\x02r\xff\xff\xff\x00.",
        b"p99999999\n.",
    ],
    ids=["one text many times", "rows without columns", "a byte array", "a memo place", "a memo place as text"],
)
def test_a_small_file_claims_little_memory(tmp_path, program):
    (tmp_path / "adj.pkl").write_bytes(program)
    tracemalloc.start()
    try:
        refusal(tmp_path / "adj.pkl")
        assert tracemalloc.get_traced_memory()[1] < 10 * len(program) + 2**20
    finally:
        tracemalloc.stop()


@pytest.mark.parametrize("place", ["ids", "map", "matrix", "top"])
def test_a_pickle_that_would_run_code_is_refused_and_runs_nothing(tmp_path, place):
    trap = Runs(tmp_path / "made")
    content = {
        "ids": [[trap], {}, np.eye(2)],
        "map": [["a"], {"a": trap}, np.eye(2)],
        "matrix": [["a"], {}, trap],
        "top": trap,
    }[place]
    for protocol in range(pickle.HIGHEST_PROTOCOL + 1):
        (tmp_path / "adj.pkl").write_bytes(pickle.dumps(content, protocol=protocol))
        assert "mkdir" in refusal(tmp_path / "adj.pkl")
    assert not (tmp_path / "made").exists()


@pytest.mark.parametrize(
    "program",
    [
        b"cbuiltins\neval\n(S'1/0'\ntR.",
        b"cnumpy\nload\n(S'x'\ntR.",
        b"cnumpy.core.multiarray\nfromfile\n.",
        b"c_codecs\ndecode\n.",
        b"c_codecs\nencode\n(S'x'\nS'rot13'\ntR.",
        b"cnumpy\nndarray\n(I1\ntR.",
        b"cnumpy\ndtype\n(S'O8'\nI0\nI1\ntR.",
        b"cnumpy\ndtype\n(S'V4'\ntR.",
        b"cnumpy\ndtype\n(dS'_make'\nI1\nsb.",
        b"cnumpy\ndtype\n(N(dS'_make'\nI1\nstb.",
        b"cnumpy.core.multiarray\n_reconstruct\n(tR(dS'array'\nI1\nsb.",
        b"(icollections\nOrderedDict\n.",
        b"\x80\x02cnumpy\ndtype\n)\x81.",
        b"Pid\n.",
        b"\x80\x04\x8c\x07numpy.f\x8c\x04eval\x93.",
        b"",
        b".",
        b"abc",
        b"\x80\x02]q\x00",
        b"\x80\x02r\xff\xff\xff\x7f.",
    ],
)
def test_hand_written_programs_end_in_one_line(tmp_path, program):
    (tmp_path / "adj.pkl").write_bytes(program)
    assert str(tmp_path / "adj.pkl") in refusal(tmp_path / "adj.pkl")


@pytest.mark.parametrize(
    "content",
    [
        np.array([[{}]], dtype=object),
        np.zeros(2, dtype=[("a", "f4")]),
        {"a": 1},
        [1, 2],
        [["a"], {}, [[1.0]]],
        [[1.5], {}, np.eye(1)],
        "text",
    ],
)
def test_what_is_no_adjacency_is_refused(tmp_path, content):
    (tmp_path / "adj.pkl").write_bytes(pickle.dumps(content, protocol=2))
    assert "expected the list [ids, id map, matrix]" in refusal(tmp_path / "adj.pkl")


def test_every_damage_to_a_real_file_gives_a_matrix_or_one_line(tmp_path):
    whole, path = PY2_PICKLE.read_bytes(), tmp_path / "adj.pkl"
    rng = np.random.default_rng(0)
    for length in range(0, len(whole), 3):
        path.write_bytes(whole[:length])
        refusal(path)
    for _ in range(300):
        damaged = bytearray(whole)
        damaged[rng.integers(len(whole))] = rng.integers(256)
        path.write_bytes(bytes(damaged))
        with contextlib.suppress(UserError):
            assert isinstance(load_adjacency_pickle(path)[1], np.ndarray)


def test_object_columns_and_attributes_of_an_hdf5_frame_are_never_unpickled(tmp_path):
    trap = np.frombuffer(pickle.dumps(Runs(tmp_path / "made")), dtype=np.uint8)
    with h5py.File(tmp_path / "frame.h5", "w") as file:
        frame = file.create_group("df")
        frame.attrs["pandas_type"] = np.bytes_("frame")
        frame["axis0"] = frame["block0_items"] = np.array([b"a"])
        frame["axis1"] = np.array([0, 300 * 10**9])
        frame["axis1"].attrs["kind"] = np.bytes_("datetime64")
        frame["axis1"].attrs["freq"] = np.void(trap.tobytes())
        values = frame.create_dataset("block0_values", (1,), dtype=h5py.vlen_dtype(np.uint8))
        values[0] = trap
    with pytest.raises(UserError, match="block0_values"):
        read_hdf5(tmp_path / "frame.h5")
    assert not (tmp_path / "made").exists()


@pytest.mark.parametrize("content", [b"", b"\x89HDF\r\n\x1a\n", b"not hdf5 at all"])
def test_a_damaged_hdf5_file_ends_in_one_line(tmp_path, content):
    (tmp_path / "frame.h5").write_bytes(content)
    with pytest.raises(UserError, match="frame.h5"):
        read_hdf5(tmp_path / "frame.h5")
