"""The order of the layers around the routes, from the outside in."""

from collections.abc import Collection

from starlette.middleware.cors import CORSMiddleware
from starlette.types import ASGIApp

from resift.server.edges.admission import Admission
from resift.server.edges.body import Body
from resift.server.edges.headers import Headers
from resift.server.edges.hosts import Hosts
from resift.server.edges.keys import KeyRing, Keys
from resift.server.edges.observe import MetricsRoute, Observe
from resift.server.edges.tracing import Tracing
from resift.server.metrics import Metrics
from resift.server.settings import Settings

READABLE = (
    "X-Request-Id", "Retry-After", "x-compute-time", "x-compute-tokens", "x-compute-characters", "x-total-time",
    "x-tokenization-time", "x-queue-time", "x-inference-time",
)  # fmt: skip
"""Headers of answers that pages of the allowed origins may read."""


def wrap(
    api: ASGIApp, settings: Settings, *, ring: KeyRing, metrics: Metrics, tracing: Tracing, routes: Collection[str]
) -> ASGIApp:
    """Return the routes with everything around them.

    What costs least and says least comes first: a stranger's request is refused before its body is read, and a
    browser's question about origins is answered without a key.
    """
    app: ASGIApp = Body(api, settings.limits, keep=settings.log_documents)
    app = Admission(app, settings.limits.max_requests)
    app = MetricsRoute(app, metrics)
    app = Keys(app, ring, settings)
    if settings.cors_origins:
        app = CORSMiddleware(
            app,
            allow_origins=settings.cors_origins,
            allow_methods=("GET", "POST"),
            allow_headers=("*",),
            expose_headers=READABLE,
        )
    app = Hosts(app, listening=settings.host, allowed=settings.allowed_hosts)
    app = Headers(app)
    return Observe(app, metrics, routes={*routes, "/metrics"}, tracing=tracing, documents=settings.log_documents)
