"""What the engine finds out about the machine."""

import os
import subprocess
import sys

import pytest

from resift import _native


def write(folder, **files):
    folder.mkdir(parents=True, exist_ok=True)
    for name, text in files.items():
        (folder / name.replace("__", ".")).write_text(text + "\n")


def test_version_2_takes_the_tightest_limit_above(tmp_path):
    write(tmp_path / "pod", cpu__max="150000 100000")
    write(tmp_path / "pod" / "box", cpu__max="max 100000")
    assert _native.cgroup_cpus("0::/pod/box\n", str(tmp_path)) == 1.5
    write(tmp_path / "pod" / "box", cpu__max="50000 100000")
    assert _native.cgroup_cpus("0::/pod/box\n", str(tmp_path)) == 0.5


def test_version_2_inside_a_container(tmp_path):
    # The group's path is the host's and does not exist here; the root has the limit.
    write(tmp_path, cpu__max="200000 100000")
    assert _native.cgroup_cpus("0::/\n", str(tmp_path)) == 2
    assert _native.cgroup_cpus("0::/docker/abc\n", str(tmp_path)) == 2


@pytest.mark.parametrize("mount", ["cpu", "cpu,cpuacct"])
def test_version_1(tmp_path, mount):
    write(tmp_path / mount / "job", cpu__cfs_quota_us="300000", cpu__cfs_period_us="100000")
    text = "5:memory:/job\n4:cpu,cpuacct:/job\n0::/\n"
    assert _native.cgroup_cpus(text, str(tmp_path)) == 3


@pytest.mark.parametrize("controllers", ["cpu", "cpu,cpuacct", "cpuacct,cpu"])
def test_version_1_inside_a_container(tmp_path, controllers):
    # As docker shows it: the host's path in /proc, the container's own group at the root of the mount.
    write(tmp_path / "cpu", cpu__cfs_quota_us="250000", cpu__cfs_period_us="100000")
    assert _native.cgroup_cpus(f"11:devices:/docker/abc\n3:{controllers}:/docker/abc\n", str(tmp_path)) == 2.5


def test_both_versions_at_once(tmp_path):
    # The cpu controller is in version 1, version 2 only names the processes; where both limit, the tighter holds.
    write(tmp_path / "cpu" / "job", cpu__cfs_quota_us="400000", cpu__cfs_period_us="100000")
    write(tmp_path / "unified" / "job")
    text = "4:cpu,cpuacct:/job\n0::/job\n"
    assert _native.cgroup_cpus(text, str(tmp_path)) == 4
    write(tmp_path / "job", cpu__max="100000 100000")
    assert _native.cgroup_cpus(text, str(tmp_path)) == 1


@pytest.mark.parametrize("path", ["/../sibling", "/gone (deleted)", "/with:colon", "/", ""])
def test_groups_that_are_not_below_the_mount(tmp_path, path):
    write(tmp_path, cpu__max="300000 100000")
    assert _native.cgroup_cpus(f"0::{path}\n", str(tmp_path)) == 3


@pytest.mark.parametrize("limit", ["", "max", "max 100000", "-1 100000", "0 100000", "5 0", "nan 1", "lots 100000"])
def test_limits_that_say_nothing(tmp_path, limit):
    write(tmp_path, cpu__max=limit)
    assert _native.cgroup_cpus("0::/\n", str(tmp_path)) is None


def test_hardware_threads_of_a_core_count_once(tmp_path):
    for cpu, siblings in enumerate(["0,4", "1,5", "2", "3-7", "0,4", "1,5"]):
        write(tmp_path / f"cpu{cpu}" / "topology", thread_siblings_list=siblings)
    root = str(tmp_path)
    assert _native.physical_cores([0, 1, 2, 3, 4, 5], root) == 4
    assert _native.physical_cores([4], root) == 1  # the affinity mask may leave one of the two
    assert _native.physical_cores([8, 9, 2], root) == 3  # nothing is known of 8 and 9
    assert _native.physical_cores([], root) == 0


@pytest.mark.skipif(not hasattr(os, "sched_setaffinity"), reason="needs an affinity mask")
def test_affinity_is_kept():
    program = "import os; os.sched_setaffinity(0, {min(os.sched_getaffinity(0))}); import resift._native as n; "
    program += "print(n.default_threads())"
    run = subprocess.run([sys.executable, "-c", program], check=True, capture_output=True, text=True, timeout=120)
    assert run.stdout == "1\n"


@pytest.mark.parametrize("text", ["", "nonsense", "4:cpuset:/job\n", "0::/job\n", "4:cpu:/job"])
def test_no_limit(tmp_path, text):
    write(tmp_path / "cpu" / "job", cpu__cfs_quota_us="-1", cpu__cfs_period_us="100000")
    write(tmp_path / "job", cpu__max="max 100000")
    assert _native.cgroup_cpus(text, str(tmp_path)) is None


def test_default_threads():
    threads = _native.default_threads()
    assert 1 <= threads <= (os.cpu_count() or 1)
    if hasattr(os, "sched_getaffinity"):
        assert threads <= len(os.sched_getaffinity(0))


def test_kernels_fit_the_features():
    features, kernels = _native.cpu_features(), _native.available_kernels()
    assert kernels[-1] == "portable"
    assert ("avx512" in kernels) <= features["avx512f"]
    assert ("avx2" in kernels) <= (features["avx2"] and features["fma"])
