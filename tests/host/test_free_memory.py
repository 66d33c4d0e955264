"""What memory is free is the least that any limit on the process leaves."""

import psutil
import pytest
import torch

from stlora_ext.host.free_memory import free_bytes, group_rooms
from tests.support.commands import run, succeeded

CPU = torch.device("cpu")
STAT = "anon 7\n{0}inactive_file 30\n{0}active_file 20\nshmem 1\n"
UNDER_A_LIMIT = """
import resource, psutil, torch
from stlora_ext.host.free_memory import free_bytes
held = psutil.Process().memory_info().vms
resource.setrlimit(resource.RLIMIT_AS, (held + 3 * 2**20, -1))
print(free_bytes(torch.device("cpu")))
"""


def machine(root, cgroup: str, groups: dict[str, tuple[str, str]]):
    """A folder with the kernel's files: groups by folder, each with limit and use."""
    (root / "proc/self").mkdir(parents=True)
    (root / "proc/self/cgroup").write_text(cgroup)
    for folder, (limit, used) in groups.items():
        group = root / "sys/fs/cgroup" / folder
        group.mkdir(parents=True, exist_ok=True)
        old = folder.startswith("memory")
        names = ("memory.limit_in_bytes", "memory.usage_in_bytes") if old else ("memory.max", "memory.current")
        for name, value in zip(names, (limit, used), strict=True):
            (group / name).write_text(f"{value}\n")
        (group / "memory.stat").write_text(STAT.format("total_" * old))
    return root


def test_every_limit_of_a_group_and_of_those_around_it_counts_without_cached_files(tmp_path):
    groups = {"": ("max", "5000"), "outer": ("1000", "300"), "outer/inner": ("900", "400")}
    assert sorted(group_rooms(machine(tmp_path, "0::/outer/inner\n", groups))) == [550, 750]


def test_the_older_kind_of_groups_is_read_too(tmp_path):
    cgroup = "5:cpu,cpuacct:/box\n4:memory:/box\n0::/\n"
    groups = {"memory": ("9223372036854771712", "5000"), "memory/box": ("1000", "300")}
    assert min(group_rooms(machine(tmp_path, cgroup, groups))) == 750


def test_a_container_sees_its_own_group_at_the_top(tmp_path):
    root = machine(tmp_path, "0::/docker/its-name-outside\n", {"": ("1000", "300")})
    assert list(group_rooms(root)) == [750]


@pytest.mark.parametrize("cgroup", [None, "", "0::/\n"])
def test_without_groups_or_limits_nothing_is_yielded(cgroup, tmp_path):
    if cgroup is not None:
        machine(tmp_path, cgroup, {"": ("max", "300")})
    assert list(group_rooms(tmp_path)) == []


def test_no_more_is_free_than_the_machine_has():
    assert 0 < free_bytes(CPU) <= psutil.virtual_memory().total


def test_a_limit_of_the_process_counts():
    assert 0 <= int(succeeded(run("-c", UNDER_A_LIMIT))) <= 3 * 2**20
