"""Files from strangers: nothing that they name is ever run."""

import contextlib
import os
import pickle
import pickletools
import warnings
from pathlib import Path

import h5py
import numpy as np
import pytest
from preparation.hdf5 import read_hdf5
from preparation.safe_pickle import load_adjacency_pickle

from stlora_ext.errors import UserError

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
    assert matrix.dtype == np.float32 and matrix[2, 0] == np.float32(.2)


@pytest.mark.parametrize("protocol", range(pickle.HIGHEST_PROTOCOL + 1))
@pytest.mark.parametrize("matrix", [np.arange(9, dtype=np.float32).reshape(3, 3), np.asfortranarray(np.tri(3)),
                                    np.eye(3, dtype=">f4"), np.eye(3, dtype=bool), np.eye(3, dtype=np.int64)])
def test_every_protocol_and_plain_type_is_read(tmp_path, protocol, matrix):
    path = tmp_path / "adj.pkl"
    path.write_bytes(pickle.dumps([["a", "b", "c"], {"a": np.int64(0)}, matrix], protocol=protocol))
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        ids, read = load_adjacency_pickle(path)
    assert ids == ["a", "b", "c"] and read.dtype == matrix.dtype and np.array_equal(read, matrix)


@pytest.mark.parametrize("place", ["ids", "map", "matrix", "top"])
def test_a_pickle_that_would_run_code_is_refused_and_runs_nothing(tmp_path, place):
    trap = Runs(tmp_path / "made")
    content = {"ids": [[trap], {}, np.eye(2)], "map": [["a"], {"a": trap}, np.eye(2)], "matrix": [["a"], {}, trap],
               "top": trap}[place]
    for protocol in range(pickle.HIGHEST_PROTOCOL + 1):
        (tmp_path / "adj.pkl").write_bytes(pickle.dumps(content, protocol=protocol))
        assert "mkdir" in refusal(tmp_path / "adj.pkl")
    assert not (tmp_path / "made").exists()


@pytest.mark.parametrize("program", [
    b"cbuiltins\neval\n(S'1/0'\ntR.", b"cnumpy\nload\n(S'x'\ntR.", b"cnumpy.core.multiarray\nfromfile\n.",
    b"c_codecs\ndecode\n.", b"c_codecs\nencode\n(S'x'\nS'rot13'\ntR.", b"cnumpy\nndarray\n(I1\ntR.",
    b"cnumpy\ndtype\n(S'O8'\nI0\nI1\ntR.", b"cnumpy\ndtype\n(S'V4'\ntR.",
    b"cnumpy\ndtype\n(dS'_make'\nI1\nsb.", b"cnumpy\ndtype\n(N(dS'_make'\nI1\nstb.",
    b"cnumpy.core.multiarray\n_reconstruct\n(tR(dS'array'\nI1\nsb.", b"(icollections\nOrderedDict\n.",
    b"\x80\x02cnumpy\ndtype\n)\x81.", b"Pid\n.", b"\x80\x04\x8c\x07numpy.f\x8c\x04eval\x93.", b"", b".", b"abc",
    b"\x80\x02]q\x00", b"\x80\x02r\xff\xff\xff\x7f."])
def test_hand_written_programs_end_in_one_line(tmp_path, program):
    (tmp_path / "adj.pkl").write_bytes(program)
    assert str(tmp_path / "adj.pkl") in refusal(tmp_path / "adj.pkl")


@pytest.mark.parametrize("content", [np.array([[{}]], dtype=object), np.zeros(2, dtype=[("a", "f4")]), {"a": 1}, [1, 2],
                                     [["a"], {}, [[1.0]]], [[1.5], {}, np.eye(1)], "text"])
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
