"""Fixtures of the host's tests."""

from collections.abc import Iterator
from pathlib import Path

import pytest
import torch

from . import toy


@pytest.fixture(autouse=True)
def one_thread() -> Iterator[None]:
    """Keep torch to one thread: these models are too small for two."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


@pytest.fixture
def world(tmp_path: Path) -> Path:
    """A data set whose missing readings are 0."""
    return toy.write_world(tmp_path / "data")
