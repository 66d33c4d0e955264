"""Readings as .npy, .npz and HDF5, and folders that BasicTS prepared."""

import io
import json
import zipfile

import h5py
import numpy as np

from tests.bad_input.row import Payload, Row
from tests.support.raw_files import table, write_frame

WHEN = ("--start", "2024-03-04", "--interval", "15")
PLAIN = "expected a plain numeric array saved by np.save"
FRAME = "expected a pandas frame of numbers written by to_hdf(..., format='fixed')"
GRID = np.random.default_rng(0).uniform(1, 9, (120, 3))


def npy(array, *options):
    """An array; a function makes it of the folder."""

    def make(folder):
        content = array(folder) if callable(array) else array
        np.save(folder / "raw.npy", content, allow_pickle=content.dtype == object)
        return ["--raw", folder / "raw.npy", *WHEN, *options]

    return make


def npz(*options, **arrays):
    """An archive; functions make its arrays of the folder."""

    def make(folder):
        np.savez(
            folder / "raw.npz", **{name: array(folder) if callable(array) else array for name, array in arrays.items()}
        )
        return ["--raw", folder / "raw.npz", *WHEN, *options]

    return make


def raw(name, content):
    """A file of these bytes."""

    def make(folder):
        (folder / name).write_bytes(content)
        return ["--raw", folder / name, *WHEN]

    return make


def header(shape):
    """What an array begins with, and no more than 80 bytes of it."""
    file = io.BytesIO()
    np.lib.format.write_array_header_1_0(file, {"descr": "<f8", "fortran_order": False, "shape": shape})
    return file.getvalue() + bytes(80)


def claiming_archive(folder):
    """An archive of an array whose header claims a terabyte."""
    with zipfile.ZipFile(folder / "raw.npz", "w") as archive:
        archive.writestr("data.npy", header((10**9, 125)))
    return ["--raw", folder / "raw.npz", *WHEN]


def loop(folder):
    """A link to itself."""
    (folder / "LOOP").symlink_to(folder / "LOOP")
    return ["--raw", folder / "LOOP", *WHEN]


def half(folder):
    """An array that was cut."""
    np.save(folder / "raw.npy", GRID)
    (folder / "raw.npy").write_bytes((folder / "raw.npy").read_bytes()[:1500])
    return ["--raw", folder / "raw.npy", *WHEN]


def frame(change):
    """A pandas frame; ``change`` gets the open group and the folder."""

    def make(folder):
        times, values = table()
        path = write_frame(folder / "raw.h5", values, times, [b"north", b"south", b"east"])
        with h5py.File(path, "r+") as file:
            change(file["df"], folder)
        return ["--raw", path]

    return make


def replaced(name, value):
    """Put another dataset in place of one."""

    def change(group, folder):
        del group[name]
        if value is not None:
            group[name] = value(folder) if callable(value) else value

    return change


def objects(group, folder):
    """Values as pandas pickles them."""
    import pickle

    del group["block0_values"]
    values = group.create_dataset("block0_values", (1,), dtype=h5py.vlen_dtype(np.uint8))
    values[0] = np.frombuffer(pickle.dumps(Payload(folder)), dtype=np.uint8)


def claiming(group, folder):
    """A compressed dataset that claims a terabyte and holds nothing."""
    del group["block0_values"]
    group.create_dataset("block0_values", (10**9, 125), dtype="f8", chunks=(1000, 125), compression="gzip")


def elsewhere(group, folder):
    """Values that lie in another file, which a stranger's file has no business to read."""
    (folder / "secret.bin").write_bytes(bytes(120 * 3 * 8))
    del group["block0_values"]
    group.create_dataset("block0_values", (120, 3), dtype="f8", external=[(str(folder / "secret.bin"), 0, 2880)])


def linked(group, folder):
    """The same by a link."""
    with h5py.File(folder / "other.h5", "w") as other:
        other["values"] = np.ones((120, 3))
    del group["block0_values"]
    group["block0_values"] = h5py.ExternalLink(str(folder / "other.h5"), "/values")


def zone(group, folder):
    """An index with a time zone."""
    group["axis1"].attrs["tz"] = np.bytes_("CET")


def old(**changes):
    """A folder of BasicTS 0.5.8."""

    def make(folder):
        source = folder / "OLD"
        source.mkdir()
        GRID.astype(np.float32).tofile(source / "data.dat")
        desc = {"shape": [120, 3, 1], "frequency (minutes)": 15, **changes}
        (source / "desc.json").write_text(changes.get("text", json.dumps(desc)))
        return ["--raw", source, "--start", "2024-03-04"]

    return make


def stock(rows=12, **changes):
    """A folder of BasicTS 1.1.0, whose timestamps have ``rows`` rows."""

    def make(folder):
        source = folder / "STOCK"
        source.mkdir()
        for split, values in zip(("train", "val", "test"), np.split(GRID.astype(np.float32), [96, 108]), strict=True):
            np.save(source / f"{split}_data.npy", values)
            np.save(source / f"{split}_timestamps.npy", np.zeros((rows, 2), np.float32))
        meta = {"frequency (minutes)": 15, "timestamps_description": ["time of day", "day of week"], **changes}
        (source / "meta.json").write_text(json.dumps(meta))
        return ["--raw", source]

    return make


ROWS = (
    Row(
        "npy that would run code",
        npy(lambda folder: np.array([[Payload(folder)]], dtype=object)),
        (PLAIN,),
        process=True,
    ),
    Row("npy of complex numbers", npy(GRID + 1j), ("raw.npy holds values of type complex128: expected real numbers",)),
    Row("npy of text", npy(GRID.astype("U4")), ("raw.npy holds values of type <U4: expected real numbers",)),
    Row("npy of truth values", npy(GRID > 5), ("holds values of type bool: expected real numbers",)),
    Row("npy of one dimension", npy(GRID[:, 0]), ("shape (120,): expected [time, sensor]",)),
    Row("npy of three channels", npy(np.stack([GRID] * 3, 2)), ("has 3 channels: choose one with --channel 0..2",)),
    Row(
        "npy of another channel",
        npy(np.stack([GRID] * 3, 2), "--channel", "3"),
        ("--channel 3 is not in raw.npy, which has 3: expected 0..2",),
    ),
    Row("npy that was cut", half, ("raw.npy cannot be read as .npy", PLAIN)),
    Row(
        "npy that claims a terabyte",
        raw("raw.npy", header((10**9, 125))),
        ("raw.npy cannot be read as .npy", PLAIN),
        process=True,
    ),
    Row("npy that is text", raw("raw.npy", b"1,2,3\n"), ("it is no array", PLAIN)),
    Row("npy that is an archive", raw("raw.npy", b"PK\3\4"), ("it is an archive: give it the ending .npz",)),
    Row(
        "npz that would run code",
        npz(data=lambda folder: np.array([[Payload(folder)]], dtype=object)),
        ("'data.npy' holds Python objects", "expected plain arrays saved by np.savez"),
        process=True,
    ),
    Row(
        "npz that claims a terabyte",
        claiming_archive,
        ("'data.npy' claims 1000000000000 bytes that it doesn't hold",),
        process=True,
    ),
    Row("npz of several arrays", npz(flow=GRID, speed=GRID), ("holds flow, speed: expected an array named 'data'",)),
    Row("npz without an array", npz(), ("raw.npz holds nothing: expected an array named 'data'",)),
    Row("npz that is text", raw("raw.npz", b"1,2,3\n"), ("raw.npz cannot be read as .npz", "saved by np.savez")),
    Row(
        "npz with too few ids",
        npz(data=GRID, sensor_ids=np.array(["a", "b"])),
        ("raw.npz names 2 sensors, the data have 3 columns", "one name per"),
    ),
    Row(
        "npz with times of another age",
        npz(data=GRID, times=np.datetime64("2024-03-04T00:00") + np.arange(120) * np.timedelta64(10**9, "m")),
        ("times in 'times' reach from the year 2024 to", "expected years of four digits"),
    ),
    Row(
        "npz with a graph that isn't square",
        npz(data=GRID, adj=np.ones((3, 2))),
        ("raw.npz: the matrix has shape (3, 2)", "of shape (3, 3)"),
    ),
    Row("another ending", raw("raw.xls", b""), ("ends in '.xls': expected .npz, .npy, .csv", "or a BasicTS folder")),
    Row(
        "hdf5 that would run code",
        frame(objects),
        ("'/df/block0_values' is absent or holds Python objects", FRAME, "save it as CSV"),
        process=True,
    ),
    Row("hdf5 that claims a terabyte", frame(claiming), ("'block0_values' claims 1000000000000 bytes",), process=True),
    Row("hdf5 with values in another file", frame(elsewhere), ("'/df/block0_values' lies in another file",)),
    Row("hdf5 with a link to another file", frame(linked), ("'/df/block0_values' is absent or holds", FRAME)),
    Row("hdf5 with a time zone", frame(zone), ("the times have a time zone", "--timezone Europe/Berlin")),
    Row("hdf5 without times", frame(replaced("axis1", None)), ("'/df/axis1' is absent", FRAME)),
    Row(
        "hdf5 of other columns",
        frame(replaced("axis0", np.array([b"a", b"b", b"c"]))),
        ("the file is damaged; download it again",),
    ),
    Row("hdf5 that is text", raw("raw.h5", b"text"), ("raw.h5 cannot be read as HDF5", "or save it as CSV")),
    Row("a 0.5.8 folder of another shape", old(shape=[120, 4, 1]), ("data.dat", "expected")),
    Row(
        "a 0.5.8 folder of an impossible shape",
        old(shape=[10**30, 3, 1]),
        ("OLD is damaged (OverflowError", "make the folder again"),
    ),
    Row("a 0.5.8 folder without a description", old(text="[]"), ("holds no description: expected a JSON object",)),
    Row(
        "a 1.1.0 folder with other timestamps", stock(rows=5), ("the timestamps have shape (15, 2): expected (120, 2)",)
    ),
    Row(
        "a 1.1.0 folder of an infinite null value",
        stock(40, regular_settings={"null_val": float("inf")}),
        ("STOCK is damaged (ValueError: null_val is inf)", "make the folder again"),
    ),
    Row(
        "a 1.1.0 folder of a null value beyond float32",
        stock(40, regular_settings={"null_val": 1e39}),
        ("STOCK is damaged (ValueError: null_val is 1e+39)", "make the folder again"),
    ),
    Row(
        "a null value beyond float32",
        npy(np.where(GRID > 8, np.nan, GRID), "--null", "1e39"),
        ("--null 1e39: expected a number such as 0, or nan", "float32 holds at most 3.4e+38 in size"),
    ),
    Row("a link to itself", loop, ("LOOP does not exist: check --raw",), process=True),
    Row("whole numbers", npy(GRID.astype(np.int16)), ("120 rows x 3 sensors",), accepted=True),
)
