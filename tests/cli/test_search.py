"""`resift search` on a folder, with a reranker whose scores are easy to foresee."""

import json
from pathlib import Path

import httpx
import pytest

from resift.pipeline import Pipeline
from tests.cli.conftest import RunCli

ROWS = [
    {
        "id": "en",
        "title": "Opening hours",
        "text": "The library opens at nine. Dogs stay outside.",
        "lang": "en",
        "price": 3,
    },
    {"id": "zh", "title": "开放时间", "text": "图书馆九点开门。狗不能进来。", "lang": "zh", "price": "12.5"},
    {"id": "de", "title": "Öffnungszeiten", "text": "Die Bibliothek öffnet um neun.", "lang": "de"},
    {"id": "ar", "text": "تفتح المكتبة في التاسعة صباحا.", "lang": "ar"},
    {"id": "th", "text": "ห้องสมุดเปิดเก้าโมงเช้า", "lang": "th"},
]


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> str:
    place = tmp_path_factory.mktemp("search") / "index"
    with Pipeline.create(place, reranker=False) as pipeline:
        pipeline.add(ROWS)
    return str(place)


def test_a_query_of_several_words(run_cli: RunCli, folder: str) -> None:
    ran = run_cli("search", folder, "library", "opens", "--top-k", "1")
    assert ran.code == 0
    assert "Opening hours" in ran.out and "en#0" in ran.out and "The library opens at nine." in ran.out
    assert ran.err.startswith("bm25 ") and "rerank " in ran.err
    assert run_cli("search", folder, "library opens", "--top-k", "1").out == ran.out


@pytest.mark.parametrize(
    ("query", "found"), [("图书馆几点", "zh"), ("المكتبة", "ar"), ("ห้องสมุด", "th"), ("öffnet", "de")]
)
def test_any_script(run_cli: RunCli, folder: str, query: str, found: str) -> None:
    ran = run_cli("search", folder, query, "--json", "--top-k", "1")
    (line,) = ran.out.splitlines()
    answer = json.loads(line)
    assert answer["query"] == query
    assert [hit["document"] for hit in answer["hits"]] == [found]
    stages = [stage["name"] for stage in answer["stages"]]
    assert (stages[0], stages[-1]) == ("bm25", "rerank")


def test_conditions(run_cli: RunCli, folder: str) -> None:
    def found(*where: str) -> set[str]:
        options = [part for one in where for part in ("--where", one)]
        ran = run_cli("search", folder, "library 图书馆 Bibliothek المكتبة", "--json", *options)
        assert ran.code == 0, ran.err
        return {hit["document"] for hit in json.loads(ran.out)["hits"]}

    assert found("lang=zh,de") == {"zh", "de"}
    assert found("price<12.6", "price>3") == {"zh"}
    assert found("!price", "lang!=ar") == {"de"}
    assert run_cli("search", folder, "x", "--where", "<3").code == 2


def test_without_a_reranker(run_cli: RunCli, folder: str) -> None:
    ran = run_cli("search", folder, "library", "--no-rerank", "--explain", "--show", "lang, price,colour")
    assert ran.code == 0
    assert "bm25 1 (" in ran.out and "rerank" not in ran.out + ran.err
    assert "lang: en · price: 3" in ran.out


def test_deeper_than_what_helps(run_cli: RunCli, folder: str) -> None:
    ran = run_cli("search", folder, "library", "--depth", "150", "--top-k", "1")
    assert ran.code == 0 and "en#0" in ran.out
    assert "deeper than 100 rarely helps" in ran.err and "warning" not in ran.err


def test_a_share_of_the_order(run_cli: RunCli, folder: str) -> None:
    found = json.loads(run_cli("search", folder, "library", "--blend", "0.5", "--json").out)
    assert found["hits"][0]["scores"].keys() >= {"bm25", "rerank", "blend"}
    alone = json.loads(run_cli("search", folder, "library", "--blend", "1", "--json").out)
    assert "blend" not in alone["hits"][0]["scores"]
    assert run_cli("search", folder, "library", "--blend", "2").code == 2


def test_nothing_found(run_cli: RunCli, folder: str) -> None:
    ran = run_cli("search", folder, "qqqqq")
    assert (ran.code, ran.out) == (0, "nothing found\n")
    ran = run_cli("search", folder, "library", "--where", "prise<3")
    assert (ran.code, ran.out) == (0, "nothing found: no document meets the conditions\n")


def test_many_queries(run_cli: RunCli, folder: str, tmp_path: Path) -> None:
    queries = tmp_path / "queries.tsv"
    queries.write_text("q1\tlibrary dogs\nq2\t图书馆\n", encoding="utf-8")
    lines = [
        json.loads(line) for line in run_cli("search", folder, "--queries", str(queries), "--json").out.splitlines()
    ]
    assert [(line["id"], line["query"]) for line in lines] == [("q1", "library dogs"), ("q2", "图书馆")]
    alone = json.loads(run_cli("search", folder, "library dogs", "--json").out)
    assert lines[0]["hits"] == alone["hits"] and "id" not in alone
    ran = run_cli("search", folder, "--queries", str(queries))
    assert "q1: library dogs" in ran.out and "q2: 图书馆" in ran.out
    piped = run_cli("search", folder, "--json", stdin="library dogs\n图书馆\n".encode())
    assert [json.loads(line)["id"] for line in piped.out.splitlines()] == ["1", "2"]


def test_a_run_for_eval(run_cli: RunCli, folder: str, tmp_path: Path) -> None:
    queries, run = tmp_path / "queries.txt", tmp_path / "found.trec"
    queries.write_text("library\n狗\n", encoding="utf-8")
    ran = run_cli("search", folder, "--queries", str(queries), "--run", str(run))
    assert ran.code == 0 and ran.out == "" and str(run) in ran.err
    assert next(line.split()[:4] for line in run.read_text().splitlines()) == ["1", "Q0", "en", "1"]
    nowhere = run_cli("search", folder, "--queries", str(queries), "--run", str(tmp_path / "no" / "found.trec"))
    assert nowhere.code == 2 and "there is no folder" in nowhere.err
    assert run_cli("search", folder, "library", "--run", str(run)).code == 2


def test_what_each_stage_is_worth(run_cli: RunCli, folder: str, tmp_path: Path) -> None:
    queries, qrels = tmp_path / "queries.tsv", tmp_path / "qrels.tsv"
    queries.write_text("a\tlibrary opens\nb\t狗能进来吗\nc\tnothing judged\n", encoding="utf-8")
    qrels.write_text("query-id\tcorpus-id\tscore\na\ten\t1\nb\tzh\t1\nb\tde\t0\n", encoding="utf-8")
    ran = run_cli("search", folder, "--queries", str(queries), "--qrels", str(qrels), "--depth", "20")
    assert ran.code == 0 and "1 queries have no relevant document" in ran.err
    assert "bm25" in ran.out and "rerank 20" in ran.out and "rerank 50" not in ran.out and "best depth" in ran.out
    report = json.loads(run_cli("search", folder, "--queries", str(queries), "--qrels", str(qrels), "--json").out)
    assert report["questions"] == 2 and report["rows"][0]["ndcg"] == 1.0
    other = tmp_path / "other.tsv"
    other.write_text("query-id\tcorpus-id\tscore\nz\ten\t1\n")
    none = run_cli("search", folder, "--queries", str(queries), "--qrels", str(other))
    assert none.code == 2 and "none of the 3 queries" in none.err


def test_a_server_as_reranker(run_cli: RunCli, folder: str, monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[httpx.Request] = []

    def answer(_: object, request: httpx.Request) -> httpx.Response:
        asked.append(request)
        return httpx.Response(401, json={"message": "no such key"})

    monkeypatch.setattr(httpx.HTTPTransport, "handle_request", answer)
    monkeypatch.setenv("RESIFT_API_KEY", "secret-key")
    ran = run_cli("search", folder, "library", "--url", "http://server:1")
    assert ran.code == 1 and "no such key" in ran.err and "secret-key" not in ran.err
    assert {request.headers["authorization"] for request in asked} == {"Bearer secret-key"}
    wrong = run_cli("search", folder, "library", "--url", "http://server:1", "--calibration", "c.json")
    assert wrong.code == 2 and "start it with one" in wrong.err


def test_what_is_wrong_is_said(run_cli: RunCli, folder: str, tmp_path: Path) -> None:
    ran = run_cli("search", str(tmp_path / "none"), "library")
    assert ran.code == 2 and "holds no index" in ran.err and "hint: make one: resift index" in ran.err
    both = run_cli("search", folder, "library", "--queries", "q.txt")
    assert both.code == 2 and "--queries brings its own" in both.err
    twice = tmp_path / "twice.tsv"
    twice.write_text("q1\ta\nq1\tb\n")
    assert "'q1' stands further up" in run_cli("search", folder, "--queries", str(twice)).err


def test_control_characters_are_shown_not_sent(run_cli: RunCli, tmp_path: Path) -> None:
    place = tmp_path / "index"
    with Pipeline.create(place, reranker=False) as pipeline:
        pipeline.add(
            [{"id": "a\x1b[2J", "title": "t\x1b]0;x\x07", "text": "library \x1b[31m red \u202e back", "f": "\x1b[0m"}]
        )
    for options in ((), ("--full",), ("--context", "1")):
        ran = run_cli("search", str(place), "library", "--show", "f", "--explain", "--no-rerank", *options)
        assert ran.code == 0 and "library" in ran.out
        assert not set("\x1b\x07\u202e") & set(ran.out + ran.err)
