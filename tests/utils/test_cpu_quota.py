"""Limits of control groups, by files as Linux has them."""

from __future__ import annotations

from pathlib import Path

import pytest

from utils.cpu_quota import read_cpu_quota

SECOND = "0::/system.slice/docker-12.scope\n"
FIRST = "12:cpuset:/\n4:cpu,cpuacct:/docker/12\n1:name=systemd:/docker/12\n"


def write_files(system: Path, files: dict[str, str]) -> Path:
    for name, text in files.items():
        (system / name).parent.mkdir(parents=True, exist_ok=True)
        (system / name).write_text(text, encoding="ascii")
    return system


@pytest.mark.parametrize(
    ("files", "quota"),
    [
        ({}, None),
        ({"proc/self/cgroup": SECOND}, None),
        ({"proc/self/cgroup": "0::/\n", "sys/fs/cgroup/cpu.max": "max 100000\n"}, None),
        ({"proc/self/cgroup": "0::/\n", "sys/fs/cgroup/cpu.max": "250000 100000\n"}, 2.5),
        # The group is there by its path; the one around it may have the smaller limit.
        (
            {
                "proc/self/cgroup": SECOND,
                "sys/fs/cgroup/system.slice/docker-12.scope/cpu.max": "400000 100000\n",
                "sys/fs/cgroup/system.slice/cpu.max": "300000 100000\n",
            },
            3.0,
        ),
        # A container whose own group is mounted at the top.
        ({"proc/self/cgroup": SECOND, "sys/fs/cgroup/cpu.max": "50000 100000\n"}, 0.5),
        (
            {
                "proc/self/cgroup": FIRST,
                "sys/fs/cgroup/cpu/cpu.cfs_quota_us": "-1\n",
                "sys/fs/cgroup/cpu/cpu.cfs_period_us": "100000\n",
                "sys/fs/cgroup/cpu/docker/12/cpu.cfs_quota_us": "150000\n",
                "sys/fs/cgroup/cpu/docker/12/cpu.cfs_period_us": "100000\n",
            },
            1.5,
        ),
        (
            {
                "proc/self/cgroup": FIRST,
                "sys/fs/cgroup/cpu/cpu.cfs_quota_us": "-1\n",
                "sys/fs/cgroup/cpu/cpu.cfs_period_us": "100000\n",
            },
            None,
        ),
    ],
)
def test_the_smallest_limit_counts(tmp_path, files, quota):
    read_cpu_quota.cache_clear()
    assert read_cpu_quota(write_files(tmp_path, files)) == quota
    read_cpu_quota.cache_clear()
