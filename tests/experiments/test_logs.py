"""Logs of every format become the same table; what is left out is counted; what is wrong is named by file and line."""

import gzip
import json
import math
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import pytest

from resift.errors import InputError, MissingExtra
from resift.experiments import Logs, Plan, analyse, make_table, read_before, read_logs
from resift.experiments.metrics import find_metric

Rows = Sequence[Mapping[str, Any]]
EXPOSURES: Rows = [
    {"user": "u1", "arm": "control", "time": "2024-06-03T10:00:00Z", "impression": "i1", "results": 10, "ms": 40},
    {"user": "u1", "arm": "control", "time": "2024-06-04T10:00:00Z", "impression": "i2", "results": 0, "ms": 50},
    {"user": "u2", "arm": "treatment", "time": "2024-06-03T11:00:00Z", "impression": "i3", "results": 5, "ms": 60},
    {"user": "u3", "arm": "control", "time": "2024-06-03T12:00:00Z", "impression": "i4", "results": 5, "ms": 41},
    {"user": "u4", "arm": "treatment", "time": "2024-06-05T12:00:00Z", "impression": "i5", "results": 5, "ms": 61},
]
CLICKS: Rows = [
    {"user": "u1", "time": "2024-06-03T10:00:09Z", "impression": "i1", "position": 2},
    {"user": "u2", "time": "2024-06-03T11:00:09Z", "impression": "i3", "position": 1},
    {"user": "u2", "time": "2024-06-03T11:00:29Z", "impression": "i3", "position": 4},
]
ORDERS: Rows = [{"user": "u2", "time": "2024-06-03T11:05:00Z", "order": "o1", "revenue": 12.5}]


def write(file: Path, rows: Rows) -> Path:
    columns = list(dict.fromkeys(name for row in rows for name in row))
    if file.suffix == ".parquet":
        import pyarrow as pa
        from pyarrow import parquet

        parquet.write_table(pa.Table.from_pylist([dict(row) for row in rows]), file)
        return file
    if ".jsonl" in file.name:
        text = "".join(json.dumps(row) + "\n" for row in rows)
    else:
        mark = "\t" if ".tsv" in file.name else ","
        lines = [columns, *([str(row.get(name, "")) for name in columns] for row in rows)]
        text = "".join(mark.join(line) + "\n" for line in lines)
    file.write_bytes(gzip.compress(text.encode()) if file.suffix == ".gz" else text.encode())
    return file


def read(folder: Path, exposures: Rows, clicks: Rows = (), orders: Rows = (), **options: Any) -> Logs:
    ending = options.pop("ending", ".jsonl")
    files = [
        [write(folder / f"{name}{ending}", rows)] if rows else []
        for name, rows in (("exposures", exposures), ("clicks", clicks), ("orders", orders))
    ]
    return read_logs(files[0], clicks=files[1], orders=files[2], **options)


@pytest.mark.parametrize("ending", [".jsonl", ".csv", ".tsv", ".parquet", ".jsonl.gz", ".csv.gz"])
def test_every_format_says_the_same(ending: str, tmp_path: Path) -> None:
    table = make_table(read(tmp_path, EXPOSURES, CLICKS, ORDERS, ending=ending, own=["ms"]))
    assert table.ids == ["u1", "u2", "u3", "u4"]
    assert list(table.arms) == ["control", "treatment"]
    assert table.assigned == [2, 2]
    assert table.quality == []
    sums = {
        name: [part if part is None else part.tolist() for part in table.values(find_metric(name))]
        for name in ("ctr", "conversion", "revenue_per_user", "reciprocal_position", "zero_results", "low:ms")
    }
    assert sums == {
        "ctr": [[1, 2, 0, 0], [2, 1, 1, 1]],
        "conversion": [[0, 1, 0, 0], None],
        "revenue_per_user": [[0, 12.5, 0, 0], None],
        "reciprocal_position": [[0.5, 1.25, 0, 0], [1, 2, 0, 0]],
        "zero_results": [[1, 0, 0, 0], [2, 1, 1, 1]],
        "low:ms": [[90, 60, 41, 61], [2, 1, 1, 1]],
    }
    assert len(table.days()) == 3


@pytest.mark.parametrize(
    "time", ["2024-06-03T12:00:00+02:00", "2024-06-03 10:00:00", 1717408800, "1717408800", 1717408800000]
)
def test_times(time: object, tmp_path: Path) -> None:
    logs = read(tmp_path, [{"user": "u", "arm": "a", "time": time}])
    assert logs.streams["exposures"].times == [1717408800.0]


def test_columns_of_ones_own(tmp_path: Path) -> None:
    rows = [{"uid": 7, "variant": "control"}, {"uid": 8, "variant": "on"}]
    logs = read(tmp_path, rows, columns={"user": "uid", "arm": "variant"})
    assert logs.users == {"7": 0, "8": 1}
    assert math.isnan(logs.streams["exposures"].times[0])


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ('{"arm": "a"}', "'user' is missing or empty; the columns are: arm"),
        ('{"user": "", "arm": "a"}', "'user' is missing or empty"),
        ('{"user": 1.5, "arm": "a"}', "expected a text or a whole number"),
        ('{"user": "u", "arm": "a", "time": "yesterday"}', "expected ISO 8601"),
        ('{"user": "u", "arm": "a", "time": true}', "expected ISO 8601"),
        ('{"user": "u", "arm": "a", "results": "many"}', "expected a number"),
        ('{"user": "u", "arm": "a", "results": NaN}', "expected a number"),
        ('["u", "a"]', "expected an object"),
        ('{"user": "u"', "not JSON"),
    ],
)
def test_a_bad_line_is_named_or_counted(line: str, message: str, tmp_path: Path) -> None:
    file = tmp_path / "log.jsonl"
    file.write_text('{"user": "u1", "arm": "a"}\n\n' + line + '\n{"user": "u2", "arm": "b"}\n')
    with pytest.raises(InputError, match=r"log\.jsonl, line 3: .*" + message):
        read_logs([file])
    logs = read_logs([file], skip_bad=True)
    assert list(logs.users) == ["u1", "u2"]
    assert logs.counts == {"bad lines": 1}


def test_bad_tables_and_files(tmp_path: Path) -> None:
    short = tmp_path / "short.csv"
    short.write_text("user,arm\nu1\n")
    with pytest.raises(InputError, match=r"short\.csv, line 2: 1 columns, expected 2"):
        read_logs([short])
    assert read_logs([short], skip_bad=True).counts == {"bad lines": 1}
    for name, data in (("a.log", b""), ("none.csv", None), ("cut.csv.gz", gzip.compress(b"x" * 500)[:-9]),
                       ("latin.jsonl", b'{"user": "\xe9"}'), ("no.parquet", b"PAR0")):  # fmt: skip
        if data is not None:
            (tmp_path / name).write_bytes(data)
        with pytest.raises(InputError, match=name.split(".", maxsplit=1)[0]):
            read_logs([tmp_path / name])


def test_positions_begin_at_one(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"clicks\.jsonl, line 1: 'position' is 0"):
        read(tmp_path, EXPOSURES, [{"user": "u1", "position": 0}])


def test_parquet_without_pyarrow(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    file = write(tmp_path / "x.parquet", EXPOSURES)
    monkeypatch.setitem(__import__("sys").modules, "pyarrow", None)
    with pytest.raises(MissingExtra, match=r"resift\[parquet\]"):
        read_logs([file])


def test_nothing_is_dropped_in_silence(tmp_path: Path) -> None:
    exposures = [
        *EXPOSURES,
        EXPOSURES[0],
        {"user": "both", "arm": "control", "time": "2024-06-03T10:00:00Z", "impression": "i6"},
        {"user": "both", "arm": "treatment", "time": "2024-06-03T10:10:00Z", "impression": "i7"},
        {"user": "u9", "arm": "old", "impression": "i8", "time": "2024-06-03T10:10:00Z"},
        *({"user": "bot", "arm": "control", "time": f"2024-06-03T10:10:{i:02}Z"} for i in range(40)),
    ]
    clicks = [
        *CLICKS,
        CLICKS[0],
        {"user": "stranger", "impression": "i9", "position": 1, "time": "2024-06-03T10:00:09Z"},
        {"user": "u1", "impression": "other", "position": 1, "time": "2024-06-03T10:00:09Z"},
        {"user": "u4", "position": 1, "time": "2024-06-03T10:00:09Z"},
    ]
    orders = [*ORDERS, ORDERS[0], {"user": "stranger", "order": "o2", "time": "2024-06-03T10:00:09Z"}]
    logs = read(tmp_path, exposures, clicks, orders, arms=["control", "treatment"])
    table = make_table(logs, bot_cap=30)
    assert {count.what: count.number for count in table.quality} == {
        "bots": 1,
        "clicks before the exposure": 1,
        "clicks of users without an exposure": 1,
        "clicks without their exposure": 1,
        "duplicate clicks": 1,
        "duplicate exposures": 1,
        "duplicate orders": 1,
        "exposures of unknown arms": 1,
        "orders of users without an exposure": 1,
        "users in two arms": 1,
    }
    arms = {count.what: count.arms for count in table.quality}
    assert arms["bots"] == arms["duplicate clicks"] == {"control": 1, "treatment": 0}
    assert arms["clicks before the exposure"] == arms["duplicate orders"] == {"control": 0, "treatment": 1}
    assert arms["clicks of users without an exposure"] == {}
    assert table.ids == ["u1", "u2", "u3", "u4"]
    assert table.assigned == [3, 2]  # the bot was assigned too
    used = {name: len(table.streams[name][0]) for name in ("exposures", "clicks", "orders")}
    assert used == {"exposures": 5, "clicks": 3, "orders": 1}
    # every line that was read is used or counted: the user of two arms had two exposures, the bot forty
    assert len(exposures) == used["exposures"] + 1 + 2 + 1 + 40


def test_dates_without_hours_are_neither_duplicates_nor_too_early(tmp_path: Path) -> None:
    exposures = [
        {"user": "u1", "arm": "control", "time": "2024-06-03"},
        {"user": "u1", "arm": "control", "time": "2024-06-03"},
        {"user": "u2", "arm": "on", "time": "2024-06-03T12:30:00"},
        {"user": "u2", "arm": "on", "time": "2024-06-03T12:30:00"},
        {"user": "u2", "arm": "on", "time": "2024-06-03T12:30:00", "query": "another"},
    ]
    clicks = [
        {"user": user, "time": day} for user in ("u1", "u2") for day in ("2024-06-02", "2024-06-03", "2024-06-03")
    ]
    table = make_table(read(tmp_path, exposures, clicks))
    assert {count.what: count.number for count in table.quality} == {
        "clicks before the exposure": 2,
        "duplicate exposures": 1,
    }
    assert [part.tolist() for part in table.values(find_metric("ctr")) if part is not None] == [[2, 2], [2, 2]]


def test_a_window_counts_first_days_of_users_who_had_them(tmp_path: Path) -> None:
    logs = read(tmp_path, EXPOSURES, CLICKS, ORDERS)
    table = make_table(logs, window=1)
    assert table.ids == ["u1", "u2", "u3"]
    assert {count.what: count.number for count in table.quality} == {
        "events after the window": 1,
        "users whose window is not over": 1,
    }
    assert table.values(find_metric("ctr"))[1].tolist() == [1, 1, 1]  # type: ignore[union-attr]
    present = [table.present(until).sum() for until in table.days()]
    assert present == [0, 3, 3]


def test_a_window_needs_times(tmp_path: Path) -> None:
    logs = read(tmp_path, EXPOSURES, [{"user": "u1", "position": 1}])
    with pytest.raises(InputError, match="time"):
        make_table(logs, window=1)
    assert make_table(logs).days() == []  # and no plot by day


def test_arms(tmp_path: Path) -> None:
    logs = read(tmp_path, EXPOSURES)
    assert list(make_table(logs, control="treatment").arms) == ["treatment", "control"]
    with pytest.raises(InputError, match="named were"):
        make_table(logs, arms=["a", "b"])
    with pytest.raises(InputError, match="needs two"):
        make_table(read(tmp_path, EXPOSURES[:1]))
    with pytest.raises(InputError, match="control is to be"):
        make_table(logs, control="x")


def test_without_a_log_a_metric_is_not_zero_but_missing(tmp_path: Path) -> None:
    plan = Plan(metrics=["ctr", "conversion"])
    without = analyse(read(tmp_path, EXPOSURES), plan)
    assert without["verdict"]["refused"]
    assert "not measured" in without["metrics"][0]["missing"]
    (tmp_path / "clicks.jsonl").write_text("")
    logs = read_logs([tmp_path / "exposures.jsonl"], clicks=[tmp_path / "clicks.jsonl"])
    assert analyse(logs, plan)["metrics"][0]["arms"]["control"]["value"] == 0.0


def test_the_time_before_has_no_arms(tmp_path: Path) -> None:
    before = [{"user": "u1"}, {"user": "new"}]
    file = write(tmp_path / "before.jsonl", before)
    orders = write(tmp_path / "orders-before.jsonl", [{"user": "u3", "revenue": 3}])
    logs = read_before([file], orders=[orders])
    assert logs.users == {"u1": 0, "new": 1, "u3": 2}
    assert logs.streams["revenue"].amounts == [3.0]
