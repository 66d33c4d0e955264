"""The process's settings, and data sets that several tests use, made once."""

from pathlib import Path

import pytest

from stlora_ext.tuning import apply_tuning

apply_tuning()  # before any test imports torch

from tests.commands import run, succeeded  # noqa: E402


@pytest.fixture(scope="session")
def tiny_data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A data folder that holds TINY, made by the real command."""
    folder = tmp_path_factory.mktemp("data")
    succeeded(run("datasets/simulate.py", "TINY", "--data", folder))
    return folder
