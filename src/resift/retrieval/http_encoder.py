"""An encoder behind a server: the OpenAI dialect (/v1/embeddings) and text-embeddings-inference (/embed)."""

import base64
import random
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from email.utils import parsedate_to_datetime
from typing import Any, Literal

import numpy as np

from resift.errors import (
    ERROR_OF_STATUS,
    InputError,
    MissingExtra,
    Overloaded,
    ServerError,
    TimedOut,
    TooLarge,
    Unavailable,
)
from resift.retrieval.encoding import TextEncoder, chosen_prompts, known_prompts, read_options
from resift.text.inputs import one_of, positive
from resift.types import Float32

_FIRST_WAIT, _LONGEST_WAIT = 0.5, 8.0
_MOST_PATIENT = 60.0
"""Seconds that a server may ask to wait; when it asks for more, the caller should know."""
_ERRORS = {**ERROR_OF_STATUS, 502: Unavailable}
"""Servers of embeddings stand behind proxies, which say so while they start."""


class HttpEncoder(TextEncoder):
    """Vectors of a server: OpenAI, vLLM, infinity, Ollama, LocalAI ..., or text-embeddings-inference.

    The dialect follows from the path: `/embed` is text-embeddings-inference, `/embeddings` is OpenAI's, and `/v1` is
    completed to it. 429, 502, 503, 504, a lost connection and a timeout are tried again; a batch that is too large is
    sent in halves. Safe from many threads; `close` ends its connections.
    """

    def __init__(
        self,
        url: str,
        *,
        model: str | None = None,
        api_key: str | None = None,
        query_prefix: str | None = None,
        document_prefix: str | None = None,
        dimensions: int | None = None,
        encoding_format: Literal["float", "base64"] = "float",
        batch_size: int = 32,
        concurrency: int = 4,
        timeout: float = 60.0,
        retries: int = 4,
        transport: Any = None,
        wait: Callable[[float], None] = time.sleep,
    ) -> None:
        """Nothing is sent before the first text. Raises InputError for an address or an option that is none.

        Args:
            url: the route, and behind `#` the model and options as in `as_encoder`.
            model: as the server names it.
            api_key: sent as a bearer token; never written anywhere.
            query_prefix: put before each query; None for both takes those on the card of a known model.
            document_prefix: put before each document.
            dimensions: asked of the server, for models that can.
            encoding_format: `base64` is a quarter of the bytes, where the server knows it; answers of both are read.
            batch_size: texts of one request.
            concurrency: requests at a time, for the batches of one call.
            timeout: seconds of one request.
            retries: tries after the first.
            transport: of httpx, in place of the network, for tests.
            wait: waits so many seconds, for tests.
        """
        address, _, fragment = url.partition("#")
        named, options = read_options(fragment)
        model = model or named or None
        self._http = _connect(api_key, timeout, transport)
        self._address = _route(address)
        self._tei = self._address.path.endswith("/embed")
        self._url = self._address.copy_with(userinfo=b"")  # for messages and names
        one_of("encoding_format", encoding_format, ("float", "base64"))
        cut = options.pop("dimensions", None) if dimensions is None else dimensions
        self._body: dict[str, Any] = {"normalize": True, "truncate": True}
        if not self._tei:
            self._body = {"encoding_format": encoding_format, **({} if model is None else {"model": model})}
        if cut is not None:
            self._body["dimensions"] = positive("dimensions", cut, 1)
        self._batch_size = positive("batch_size", batch_size, 1)
        self._concurrency = positive("concurrency", concurrency, 1)
        self._retries, self._wait = retries, wait
        name = f"http:{model or self._url.copy_with(query=None)}{'' if cut is None else f'@{cut}'}"
        query = options.get("query_prefix") if query_prefix is None else query_prefix
        document = options.get("document_prefix") if document_prefix is None else document_prefix
        super().__init__(name, chosen_prompts(query, document, known_prompts(model or "")), cut)

    def close(self) -> None:
        """End the connections."""
        self._http.close()

    def _vectors(self, texts: list[str], *, queries: bool) -> Float32:  # noqa: ARG002 - a server sees only prefixes
        parts = [texts[at : at + self._batch_size] for at in range(0, len(texts), self._batch_size)]
        if len(parts) == 1 or self._concurrency == 1:
            return np.concatenate([self._batch(part) for part in parts])
        with ThreadPoolExecutor(min(self._concurrency, len(parts))) as pool:
            return np.concatenate(list(pool.map(self._batch, parts)))

    def _batch(self, texts: list[str]) -> Float32:
        """Return the vectors of one request's texts, or of its halves where the server finds it too large."""
        try:
            answer = self._answer({**self._body, "inputs" if self._tei else "input": texts})
        except TooLarge:
            if len(texts) == 1:
                raise
            half = (len(texts) + 1) // 2
            return np.concatenate([self._batch(texts[:half]), self._batch(texts[half:])])
        vectors = _listed(answer) if self._tei else _indexed(answer, len(texts))
        if len(vectors) != len(texts):
            raise ServerError(f"{self._url} gave {len(vectors)} vectors for {len(texts)} texts")
        try:
            rows = np.stack([_vector(one) for one in vectors])
        except (TypeError, ValueError):
            rows = np.empty(0, np.float32)
        if rows.ndim != 2:
            raise ServerError(f"{self._url} gave something else than vectors of one length")
        return rows

    def _answer(self, body: dict[str, Any]) -> Any:
        for attempt in range(self._retries + 1):
            try:
                return self._send(body)
            except (Overloaded, Unavailable, TimedOut) as error:
                seconds = min(_LONGEST_WAIT, _FIRST_WAIT * 2.0**attempt) * (0.5 + 0.5 * random.random())
                if error.retry_after is not None:
                    seconds = max(seconds, error.retry_after)
                if attempt == self._retries or seconds > _MOST_PATIENT:
                    raise
            self._wait(seconds)
        raise AssertionError("the last attempt returns or raises")

    def _send(self, body: dict[str, Any]) -> Any:
        import httpx

        try:
            reply = self._http.post(self._address, json=body)
        except httpx.TimeoutException as error:
            raise TimedOut(f"{self._url} did not answer in time: {error}", hint="give it more: timeout=") from error
        except httpx.HTTPError as error:
            raise Unavailable(f"{self._url} cannot be reached: {error}") from error
        if reply.status_code >= 300:
            kind = _ERRORS.get(reply.status_code, ServerError)
            raise kind(
                f"{self._url} answered {reply.status_code}: {_reason(reply)}",
                status=reply.status_code,
                request_id=reply.headers.get("x-request-id"),
                retry_after=_seconds(reply.headers.get("retry-after")),
            )
        try:
            return reply.json()
        except ValueError:
            raise ServerError(f"{self._url} answered with something else than JSON", status=reply.status_code) from None


def _route(address: str) -> Any:
    """Return the address of the route; raises InputError for one that is no route of embeddings."""
    import httpx

    try:
        url = httpx.URL(address)
    except httpx.InvalidURL as error:
        raise InputError(f"the encoder's address is {address!r}: {error}") from None
    path = url.path.rstrip("/")
    if path.endswith("/v1"):
        path += "/embeddings"
    if url.scheme not in ("http", "https") or not url.host or not path.endswith(("/embed", "/embeddings")):
        raise InputError(
            f"the encoder is {url.copy_with(userinfo=b'')}, expected an address that ends in /v1/embeddings or /embed",
            hint="write http://HOST/v1/embeddings#MODEL, or http://HOST/embed for text-embeddings-inference",
        )
    return url.copy_with(path=path)


def _connect(api_key: str | None, timeout: float, transport: Any) -> Any:
    try:
        import httpx
    except ImportError:
        raise MissingExtra("an encoder behind a server", extra="client") from None
    headers = {} if api_key is None else {"Authorization": f"Bearer {api_key}"}
    return httpx.Client(headers=headers, timeout=timeout, transport=transport)


def _listed(answer: Any) -> list[Any]:
    return answer if isinstance(answer, list) else []


def _indexed(answer: Any, count: int) -> list[Any]:
    """Return the embeddings of an answer by their index: servers may give them in any order."""
    data = answer.get("data") if isinstance(answer, dict) else None
    rows = [one for one in data if isinstance(one, dict)] if isinstance(data, list) else []
    found = {one.get("index", place): one.get("embedding") for place, one in enumerate(rows)}
    return [found[place] for place in range(count) if place in found]


def _vector(value: Any) -> Float32:
    """Return a vector's numbers: a list, or the base64 of little-endian float32."""
    if isinstance(value, str):
        return np.frombuffer(base64.b64decode(value, validate=True), "<f4").astype(np.float32)
    return np.asarray(value, np.float32)


def _reason(reply: Any) -> str:
    """Return what an error's body says, in any of the usual shapes."""
    try:
        body = reply.json()
    except ValueError:
        body = reply.text
    for name in ("error", "detail", "message"):
        while isinstance(body, dict) and name in body:
            body = body[name]
    return str(body)[:300]


def _seconds(value: str | None) -> float | None:
    """Return the seconds that a Retry-After header says, a number or a date; None when it says neither."""
    if value is None:
        return None
    try:
        return max(0.0, float(value))
    except ValueError:
        pass
    try:
        return max(0.0, parsedate_to_datetime(value).timestamp() - time.time())
    except ValueError:
        return None
