"""A preparation that is killed leaves the whole data set or none, and the next one clears up."""

import contextlib
import os
import random
import signal
import subprocess
import sys
import time

import numpy as np
import pytest

import prepare
from stlora_ext.data.prepared import load_meta, load_split
from stlora_ext.errors import UserError
from tests.support.commands import ROOT

pytestmark = pytest.mark.slow
SCRIPT = ROOT / "datasets" / "prepare.py"
# stops itself for good at the N-th file operation of the writing
DIES_AT = """
import os, signal, sys
sys.path[:0] = {paths!r}
import prepare, stlora_ext.preparation.writer as writer, stlora_ext.files as files
left = {moment}
def counted(call):
    def wrapped(*args, **kwargs):
        global left
        left -= 1
        if left == 0:
            os.kill(os.getpid(), signal.SIGKILL)
        return call(*args, **kwargs)
    return wrapped
writer.np.save, writer.np.savez = counted(writer.np.save), counted(writer.np.savez)
writer.write_json = counted(writer.write_json)
files.os.fsync, files.os.rename = counted(files.os.fsync), counted(files.os.rename)
files.shutil.rmtree = counted(files.shutil.rmtree)
prepare.main(sys.argv[1:])
"""


@pytest.fixture(scope="module")
def raw(tmp_path_factory):
    path = tmp_path_factory.mktemp("raw") / "raw.npz"
    np.savez(path, data=np.random.default_rng(0).uniform(1, 9, (3000, 40)), adj=np.eye(40))
    return path


def argv(raw, root, *more):
    return ["MINE", "--raw", str(raw), "--start", "2024-01-01", "--interval", "5", "--data", str(root), *more]


def check_whole(root, output_lens):
    """The data set is there with every array, and is one of those that were asked for."""
    meta = load_meta(root, "MINE")
    assert meta.output_len in output_lens
    for split in ("train", "val", "test"):
        load_split(root, meta, split)


def killed_at(moment, arguments):
    code = DIES_AT.format(paths=[str(SCRIPT.parent), str(ROOT)], moment=moment)
    return subprocess.run([sys.executable, "-c", code, *arguments], capture_output=True, check=False).returncode


@pytest.mark.parametrize("moment", [2, 4, 8, 11, 20, 21])
def test_a_killed_first_preparation_is_whole_or_absent_and_can_be_repeated(tmp_path, raw, moment):
    assert killed_at(moment, argv(raw, tmp_path)) == -signal.SIGKILL
    if (tmp_path / "MINE").exists():
        check_whole(tmp_path, {12})
    prepare.main(argv(raw, tmp_path))
    check_whole(tmp_path, {12})
    assert [item.name for item in tmp_path.iterdir()] == ["MINE"]


@pytest.mark.parametrize("moment", [5, 20, 21, 22])
def test_a_killed_replacement_loses_neither_the_old_nor_the_new(tmp_path, raw, moment):
    prepare.main(argv(raw, tmp_path))
    assert killed_at(moment, argv(raw, tmp_path, "--force", "--output-len", "6")) == -signal.SIGKILL
    with contextlib.suppress(UserError):  # refused where the new one is already in place
        prepare.main(argv(raw, tmp_path))
    check_whole(tmp_path, {12, 6})
    assert [item.name for item in tmp_path.iterdir()] == ["MINE"]


def test_a_set_aside_folder_comes_back_when_a_replacement_was_killed_between_its_renames(tmp_path, raw):
    prepare.main(argv(raw, tmp_path))
    gone = subprocess.Popen([sys.executable, "-c", ""])
    gone.wait()
    os.rename(tmp_path / "MINE", tmp_path / f".MINE.{gone.pid}.replaced")
    prepare.main(argv(raw, tmp_path))
    check_whole(tmp_path, {12})
    assert [item.name for item in tmp_path.iterdir()] == ["MINE"]


def test_a_kill_from_outside_at_any_time_leaves_nothing_half_written(tmp_path, raw):
    started = time.monotonic()
    subprocess.run([sys.executable, SCRIPT, *argv(raw, tmp_path / "whole")], check=True, capture_output=True)
    duration = time.monotonic() - started
    for share in (0.5, 0.8, 0.95, random.Random(0).uniform(0.3, 1)):
        root = tmp_path / f"{share:.2f}"
        process = subprocess.Popen([sys.executable, SCRIPT, *argv(raw, root)], stdout=subprocess.DEVNULL)
        time.sleep(share * duration)
        process.kill()
        process.wait()
        if (root / "MINE").exists():
            check_whole(root, {12})


def test_a_full_or_closed_disk_is_one_line_and_leaves_the_old_preparation(tmp_path, raw):
    root = tmp_path / "file"
    root.write_text("not a folder")
    done = subprocess.run([sys.executable, SCRIPT, *argv(raw, root)], capture_output=True, text=True, check=False)
    assert done.returncode == 2
    assert done.stderr.startswith("error: ") and done.stderr.count("\n") == 1 and "Traceback" not in done.stderr
