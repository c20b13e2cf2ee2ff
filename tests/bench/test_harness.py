import json
from pathlib import Path

import pytest

from resift.bench.harness import PeerError, Plan, Process, Result, Turn, cleanliness, ratio
from resift.bench.peers import PEERS, Peer
from resift.bench.worker import Worker, is_importable
from tests.checkpoints import make_checkpoint


def results(*turns: Turn) -> dict[str, Result]:
    return {"a": Result(turns={"rag": list(turns)})}


@pytest.mark.parametrize(
    ("turns", "clean", "told"),
    [
        ([Turn([1.0], 0.01, 0.0)], True, ""),
        ([Turn([1.0], 0.05, 0.0)], False, "other processes took 5.0%"),
        ([Turn([1.0], 0.0, 0.02)], False, "the host took 2.0%"),
        ([Turn([9.0], 0.0, 0.0), Turn([1.0], 0.1, 0.0)], True, ""),
        ([Turn([1.0], None, None)], False, "does not say"),
        ([], False, "does not say"),
    ],
)
def test_a_run_is_clean_when_others_left_the_cores_alone(turns: list[Turn], clean: bool, told: str) -> None:
    verdict = cleanliness(results(*turns))
    assert verdict["clean"] is clean
    assert told in str(verdict["reason"])


def test_the_ratio_pairs_rounds() -> None:
    ours = [Turn([1.0, 1.0, 9.0], 0, 0), Turn([2.0], 0, 0), Turn([4.0], 0, 0)]
    theirs = [Turn([3.0], 0, 0), Turn([6.0], 0, 0)]
    assert ratio(ours, theirs) == 3.0  # the third round, where only one took part, does not count
    assert ratio(ours, []) is None


def test_agreement() -> None:
    assert cpu.agreement([1, 2, 3], [1.0, 2.5, 4.0]) == {"spearman": 1.0, "max_difference": 1.0}
    assert cpu.agreement([3, 2, 1], [1.0, 2.0, 3.0])["spearman"] == -1.0
    assert cpu.agreement([1], None) == {"spearman": None, "max_difference": None}


def test_what_is_not_installed_is_named() -> None:
    peer = Peer("resift_native", ("numpy", "no_such_module", "numpy.no_such_module"), ("no-such-package",))
    found = Worker(peer, Path(), 1).check()
    assert found == {"missing": ["no_such_module", "numpy.no_such_module"], "versions": {"no-such-package": None}}
    assert not is_importable("no_such_module.inner")


def test_every_peer_has_its_module() -> None:
    folder = Path(cpu.__file__).parent / "peers"
    assert all((folder / f"{peer.module}.py").exists() for peer in PEERS.values())


def test_a_peer_that_fails_says_why(tmp_path: Path) -> None:
    plan = Plan(folder=tmp_path / "nowhere", peers=["resift"], workloads=[], threads=1)
    with Process("resift", plan) as process, pytest.raises(PeerError, match="ModelNotFound"):
        process.ask(do="load")


def test_the_command(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    model = make_checkpoint(tmp_path / "model", positions=514)
    file = tmp_path / "report.json"
    options = ["--workloads", "ten", "--rounds", "2", "--seconds", "0", "--threads", "1", "--json", str(file)]
    cpu.main(["--model", str(model), "--peers", "resift", *options])
    report = json.loads(file.read_text())
    row = report["workloads"]["ten"]["peers"]["resift"]
    assert report["workloads"]["ten"]["pairs"] == 10 and report["workloads"]["ten"]["tokens"] == 1280
    assert len(row["rounds"]) == 2
    assert row["calls"] == 2 and row["pairs_per_second"] > 0 and row["resift_is_faster_by"] == 1.0
    assert report["peers"]["resift"]["status"] == "ok"
    assert isinstance(report["noise"]["clean"], bool)
    assert str(tmp_path) not in file.read_text()
    assert "resift" in capsys.readouterr().out
