# syntax=docker/dockerfile:1
# One image for every process of Panini: `docker run panini serve ingest`, `panini worker MODEL`, `panini scaler` …
# Nothing secret is in it: passwords and keys come as files in the folder that PANINI_SECRETS names.

FROM python:3.12-slim-bookworm AS build
COPY --from=ghcr.io/astral-sh/uv:0.9 /uv /usr/local/bin/uv
ENV UV_COMPILE_BYTECODE=1 UV_LINK_MODE=copy UV_PYTHON_DOWNLOADS=never
WORKDIR /src
COPY requirements.lock ./
RUN --mount=type=cache,target=/root/.cache/uv \
    uv venv /opt/panini && uv pip install --python /opt/panini/bin/python --requirement requirements.lock
COPY pyproject.toml README.md ./
COPY wire wire
COPY registry registry
COPY results results
COPY ingest ingest
COPY workers workers
COPY dashboard dashboard
COPY k8s k8s
COPY panini panini
RUN --mount=type=cache,target=/root/.cache/uv \
    uv pip install --python /opt/panini/bin/python --constraint requirements.lock '.[k8s]'

FROM python:3.12-slim-bookworm
RUN groupadd --system --gid 10001 panini \
    && useradd --system --uid 10001 --gid 10001 --home-dir /var/lib/panini --no-log-init panini \
    && install --directory --owner=10001 --group=10001 --mode=0750 /var/lib/panini
COPY --from=build /opt/panini /opt/panini
ENV PATH=/opt/panini/bin:$PATH \
    PYTHONUNBUFFERED=1 \
    PANINI_HOME=/var/lib/panini \
    PANINI_HOST=0.0.0.0
USER 10001:10001
WORKDIR /var/lib/panini
VOLUME /var/lib/panini
EXPOSE 8080
HEALTHCHECK --interval=10s --timeout=5s --start-period=30s --retries=3 CMD ["python", "-m", "panini.probe"]
ENTRYPOINT ["panini"]
CMD ["serve", "all"]
