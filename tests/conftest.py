"""The process's settings, and data sets that several tests use, made once."""

import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from stlora_ext.options import PLUGINS
from stlora_ext.threads import apply_tuning

os.environ["OMP_NUM_THREADS"] = "1"  # of the commands that tests run, too: results are the same to the bit at one count
apply_tuning()  # before any test imports torch

import torch  # noqa: E402

from tests.support.commands import run, succeeded  # noqa: E402


@pytest.fixture(autouse=True)
def one_thread() -> Iterator[None]:
    """Begin and leave every test with one thread and no plug-in file, whatever a command in it was given."""
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(1)
    os.environ.pop(PLUGINS, None)  # of a command line that a test has parsed


@pytest.fixture(scope="session")
def tiny_data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A data folder that holds TINY, made by the real command."""
    folder = tmp_path_factory.mktemp("data")
    succeeded(run("datasets/simulate.py", "TINY", "--data", folder))
    return folder
