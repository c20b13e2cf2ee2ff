# syntax=docker/dockerfile:1
# The server on any CPU, x86-64 or ARM:   docker build -t resift .   and   docker run -p 127.0.0.1:8000:8000 resift
# With the built-in model it needs no network; for other models, and all settings, see docs/guides/serving.md.
ARG PYTHON=3.12

FROM python:${PYTHON}-slim-bookworm AS build
# Debian keeps one version of a package: a pinned one would fail with the next security update.
# hadolint ignore=DL3008
RUN apt-get update \
    && apt-get install --yes --no-install-recommends g++ \
    && rm -rf /var/lib/apt/lists/*
WORKDIR /source
COPY pyproject.toml CMakeLists.txt README.md LICENSE ./
COPY native native
COPY src src
RUN pip wheel --no-cache-dir --no-deps --wheel-dir /wheels . \
    && python -m venv /app \
    && /app/bin/pip install --no-cache-dir "$(echo /wheels/resift-*.whl)[server,otel]"

FROM python:${PYTHON}-slim-bookworm
COPY --from=build /app /app
# Nothing but /models is ever written, so the container may run with a read-only root.
RUN useradd --uid 10001 --no-create-home --home-dir /models --shell /usr/sbin/nologin resift \
    && install --directory --owner=resift --group=resift /models
ENV PATH=/app/bin:$PATH \
    PYTHONUNBUFFERED=1 \
    PYTHONDONTWRITEBYTECODE=1 \
    HF_HOME=/models \
    RESIFT_HOST=0.0.0.0 \
    RESIFT_PORT=8000
USER 10001:10001
WORKDIR /models
VOLUME /models
EXPOSE 8000
# A server that has no model loaded yet does not listen; one whose engine restarts is alive: /ready tells that.
HEALTHCHECK --interval=10s --timeout=5s --start-period=120s --retries=3 \
    CMD ["python", "-c", "import os, urllib.request as u; u.urlopen('http://127.0.0.1:' + os.environ['RESIFT_PORT'] + '/health', timeout=4)"]
ENTRYPOINT ["resift", "serve"]
