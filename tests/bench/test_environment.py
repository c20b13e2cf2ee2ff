from pathlib import Path

import pytest

from resift.bench.environment import Clock, Disturbance, cgroup_quota, clock, disturbance, one_a_core, record, versions


def test_what_others_took_is_what_the_machine_used_and_we_did_not() -> None:
    start = Clock(wall=100.0, own=5.0, busy=50.0, steal=1.0)
    end = Clock(wall=110.0, own=20.0, busy=69.0, steal=1.5)
    found = disturbance(start, end, cores=2)
    assert found == Disturbance(foreign=pytest.approx(4 / 20), steal=pytest.approx(0.5 / 20))


def test_rounding_never_makes_it_negative() -> None:
    found = disturbance(Clock(0.0, 0.0, 10.0, 0.0), Clock(1.0, 1.0, 10.99, 0.0), cores=1)
    assert found == Disturbance(0.0, 0.0)


def test_a_machine_that_does_not_say() -> None:
    silent = Clock(0.0, 0.0, None, None)
    assert disturbance(silent, silent) == Disturbance(None, None)


def test_clocks_run_forward() -> None:
    first = clock()
    sum(range(200_000))
    second = clock()
    assert second.wall > first.wall and second.own > first.own


@pytest.mark.parametrize(
    ("files", "cores"),
    [
        ({}, None),
        ({"cpu.max": "max 100000\n"}, None),
        ({"cpu.max": "150000 100000\n"}, 1.5),
        ({"cpu/cpu.cfs_quota_us": "-1\n", "cpu/cpu.cfs_period_us": "100000\n"}, None),
        ({"cpu/cpu.cfs_quota_us": "400000\n", "cpu/cpu.cfs_period_us": "100000\n"}, 4.0),
    ],
)
def test_quota_of_the_control_group(tmp_path: Path, files: dict[str, str], cores: float | None) -> None:
    for name, content in files.items():
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text(content)
    assert cgroup_quota(tmp_path) == cores


def test_versions_of_what_is_there_and_what_is_not() -> None:
    found = versions(("numpy", "resift", "no-such-package"))
    assert found["numpy"] and found["resift"] and found["no-such-package"] is None


def test_the_record_names_no_machine() -> None:
    assert {"processor", "features", "cores", "usable_cores", "python"} <= set(record())
    assert not {"hostname", "user", "path"} & set(record())


@pytest.mark.parametrize(("siblings", "order"), [("0-1", [0, 2, 1, 3]), (None, [0, 1, 2, 3])])
def test_one_cpu_of_each_core_comes_first(tmp_path: Path, siblings: str | None, order: list[int]) -> None:
    for cpu, core in enumerate(["0-1", "0-1", "2-3", "2-3"] if siblings else []):
        file = tmp_path / f"cpu{cpu}/topology/thread_siblings_list"
        file.parent.mkdir(parents=True)
        file.write_text(core)
    assert one_a_core([0, 1, 2, 3], tmp_path) == order
