"""Thread and allocation settings are in force before torch loads, and can be switched off."""

import os
import subprocess
import sys

import pytest

from tests.support.commands import ROOT

CODE = """
from stlora_ext.threads import apply_tuning
applied = apply_tuning({enabled})
import os
print(applied, os.environ.get("OMP_WAIT_POLICY"), os.environ.get("GOMP_SPINCOUNT"))
"""
FAULTS = """
import resource, torch
torch.set_num_threads(1)
def faults(): return resource.getrusage(resource.RUSAGE_SELF).ru_minflt
for _ in range(10): torch.ones(8 << 20).add_(1)
before = faults()
for _ in range(10): torch.ones(8 << 20).add_(1)
print(faults() - before)
"""


def tuned(enabled, then="", **environment):
    """The words that a process of its own prints."""
    clean = {k: v for k, v in os.environ.items() if not k.startswith(("MALLOC_", "OMP_", "GOMP_", "STLORA_"))}
    result = subprocess.run(
        [sys.executable, "-c", CODE.format(enabled=enabled) + then],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=True,
        env={**clean, **environment},
    )
    return result.stdout.split()


@pytest.mark.skipif(sys.platform != "linux", reason="glibc's malloc only")
def test_freed_memory_stays_in_the_process():
    """32 MiB blocks, ten times: each costs 8,192 page faults when it is mapped anew, none when it is kept."""
    assert int(tuned(True, FAULTS)[3]) < 1000 < 50_000 < int(tuned(False, FAULTS)[3])


@pytest.mark.skipif(sys.platform != "linux", reason="glibc's malloc only")
def test_large_blocks_are_given_back_once_that_is_asked_for():
    then = "from stlora_ext.threads import give_back_large_blocks; give_back_large_blocks()" + FAULTS
    assert int(tuned(True, then)[3]) > 50_000


def test_it_can_be_switched_off_and_what_the_user_set_wins():
    assert tuned(True) == ["True", "PASSIVE", "2000"]
    assert tuned(False) == ["False", "None", "None"]
    assert tuned(True, STLORA_TUNING="off") == ["False", "None", "None"]
    assert tuned(True, OMP_WAIT_POLICY="ACTIVE") == ["True", "ACTIVE", "None"]
    assert tuned(True, GOMP_SPINCOUNT="7") == ["True", "PASSIVE", "7"]
