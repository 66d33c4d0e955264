"""The process's settings, and data sets that several tests use, made once."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from stlora_ext.tuning import apply_tuning

apply_tuning()  # before any test imports torch

import torch  # noqa: E402

from tests.commands import run, succeeded  # noqa: E402


@pytest.fixture(autouse=True)
def same_threads() -> Iterator[None]:
    """Give every test the same number of threads, whatever ``--threads`` an earlier one gave a command."""
    before = torch.get_num_threads()
    yield
    torch.set_num_threads(before)


@pytest.fixture(scope="session")
def tiny_data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A data folder that holds TINY, made by the real command."""
    folder = tmp_path_factory.mktemp("data")
    succeeded(run("datasets/simulate.py", "TINY", "--data", folder))
    return folder
