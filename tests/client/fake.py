"""A server in few lines, behind httpx's transport: the routes that the client calls, answered by a `Reranker`."""

import json
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass, field

import httpx

from resift import PairScore, Reranker, ResiftError, Windows

LOWEST = {"raw": -100.0, "sigmoid": 0.0, "calibrated": 0.0}


@dataclass
class FakeServer:
    """Answers by the rules of the server, without its machinery.

    Attributes:
        reranker: of its one model.
        max_documents: 413 beyond it; in `/info` when `told`.
        pending: texts that are not reached before a deadline.
        refusals: answers that are given first, whatever is asked.
        requests: what was asked, in order.
    """

    reranker: Reranker
    max_documents: int = 1000
    told: bool = True
    pending: frozenset[str] = frozenset()
    refusals: list[httpx.Response | Exception] = field(default_factory=list)
    requests: list[httpx.Request] = field(default_factory=list)

    @property
    def asked(self) -> list[str]:
        return [request.url.path for request in self.requests]

    def bodies(self) -> list[dict]:
        return [json.loads(request.content) for request in self.requests if request.content]

    def __call__(self, request: httpx.Request) -> httpx.Response:
        self.requests.append(request)
        if self.refusals:
            refusal = self.refusals.pop(0)
            if isinstance(refusal, Exception):
                raise refusal
            return refusal
        routes: Mapping[str, Callable[[httpx.Request], httpx.Response]] = {
            "/v1/rerank": self._rank,
            "/v1/score": self._score,
            "/v1/models": self._models,
            "/explain": self._explain,
            "/info": self._info,
            "/ready": lambda _: httpx.Response(200),
        }
        route = routes.get(request.url.path)
        return route(request) if route else httpx.Response(404, json={"detail": "Not Found"})

    def _models(self, _: httpx.Request) -> httpx.Response:
        info = self.reranker.info
        item = {"id": "tiny", "object": "model", "created": 7, "max_model_len": 128, "info": asdict(info), "new": 1}
        item["calibration"] = {"name": "platt:1a2b", "groups": ["de"]}
        return httpx.Response(200, json={"object": "list", "data": [item]})

    def _explain(self, request: httpx.Request) -> httpx.Response:
        body = json.loads(request.content)
        found = self.reranker.with_options(scores=body["scores"]).explain(body["query"], body["document"])
        return httpx.Response(200, json=asdict(found) | {"model": "tiny", "tokens": 1, "timings": {}})

    def _info(self, _: httpx.Request) -> httpx.Response:
        told = {"max_client_batch_size": self.max_documents} if self.told else {}
        info = self.reranker.info
        fields = {"model_id": info.model, "version": "0.0.1", "max_input_length": info.max_length, **told}
        return httpx.Response(200, json=fields)

    def _rank(self, request: httpx.Request) -> httpx.Response:
        body = json.loads(request.content)
        documents = body["documents"]
        refused = self._refused(len(documents))
        if refused:
            return refused
        raw = self._scored([(body["query"], document) for document in documents], {**body, "scores": "raw"})
        order = sorted(range(len(raw)), key=lambda i: (bool(raw[i].error or raw[i].pending), -raw[i].score, i))
        shown = self._scored([(body["query"], document) for document in documents], body)
        results = [{"index": i, "relevance_score": shown[i].score, **_notes(shown[i])} for i in order]
        if body.get("scores") == "calibrated":
            results = [{**one, "raw": raw[one["index"]].score} for one in results]
        return self._answer({"results": results[: body.get("top_n")]}, shown, body)

    def _score(self, request: httpx.Request) -> httpx.Response:
        body = json.loads(request.content)
        documents, queries = body["documents"], body["queries"]
        refused = self._refused(len(documents))
        if refused:
            return refused
        queries = [queries] * len(documents) if isinstance(queries, str) else queries
        pairs = list(zip(queries, documents, strict=True))
        shown = self._scored(pairs, body)
        data = [{"index": i, "object": "score", "score": one.score, **_notes(one)} for i, one in enumerate(shown)]
        if body.get("scores") == "calibrated":
            raw = self._scored(pairs, {**body, "scores": "raw"})
            data = [{**one, "raw": raw[i].score} for i, one in enumerate(data)]
        return self._answer({"data": data}, shown, body)

    def _refused(self, count: int) -> httpx.Response | None:
        if count <= self.max_documents:
            return None
        return httpx.Response(413, json={"message": f"{count} documents, the limit is {self.max_documents}"})

    def _scored(self, pairs: list, body: dict) -> list[PairScore]:
        names = ("scores", "group", "truncation", "max_length", "template")
        options = {name: body[name] for name in names if name in body}
        windows = Windows(**body["windows"]) if "windows" in body else None
        reranker = self.reranker.with_options(windows=windows, **options)
        return [self._one(reranker, pair) for pair in pairs]

    def _one(self, reranker: Reranker, pair: tuple) -> PairScore:
        lowest = LOWEST[reranker.info.scores]
        if isinstance(pair[1], str) and pair[1] in self.pending:
            return PairScore(lowest, pending=True)
        try:
            return reranker.score_details([pair])[0]
        except ResiftError as error:
            return PairScore(lowest, error=str(error))

    def _answer(self, content: dict, shown: list[PairScore], body: dict) -> httpx.Response:
        info = asdict(self.reranker.info)
        info |= {name: body[name] for name in ("scores", "truncation", "max_length") if name in body}
        if body.get("scores") == "calibrated":
            view = self.reranker.with_options(scores="calibrated", group=body.get("group"))
            info["calibration"] = view.info.calibration
        about = {"usage": {"total_tokens": 10 * len(shown)}, "info": info, "timings": {"total": 2.5, "queue": 0.5}}
        partial = {"partial": True} if any(one.pending for one in shown) else {}
        return httpx.Response(200, json={**content, **about, **partial}, headers={"x-request-id": "r1"})


def _notes(one: PairScore) -> dict[str, object]:
    notes = {"truncated": one.truncated, "error": one.error, "pending": one.pending}
    window = {} if one.window is None else {"window": asdict(one.window)}
    return {name: value for name, value in notes.items() if value} | window
