"""What the engine finds out about the machine."""

import os

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
