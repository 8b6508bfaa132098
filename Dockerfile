# The REST API. EXTRAS chooses the drivers, so that an image holds no more than its backend needs.
ARG PYTHON=3.13

FROM python:${PYTHON}-slim AS build
ARG EXTRAS=server,otel,qdrant,postgres,mongodb
WORKDIR /src
COPY pyproject.toml README.md CHANGELOG.md LICENSE ./
COPY omnimemory omnimemory
COPY integrations integrations
# Compiled here, as the user below cannot write it: a container starts in two thirds of the time.
RUN python -m venv /opt/omnimemory \
    && /opt/omnimemory/bin/pip install --no-cache-dir ".[${EXTRAS}]"

FROM python:${PYTHON}-slim
LABEL org.opencontainers.image.title="OmniMemory" \
      org.opencontainers.image.description="Long-term memory for LLM applications: the REST API" \
      org.opencontainers.image.licenses="MIT"
RUN groupadd --gid 10001 omnimemory \
    && useradd --uid 10001 --gid omnimemory --no-create-home --home-dir /data --shell /usr/sbin/nologin omnimemory \
    && install --directory --owner=omnimemory --group=omnimemory --mode=0700 /data
COPY --from=build /opt/omnimemory /opt/omnimemory
# Beyond loopback nothing is answered without a key: OMNIMEMORY_API_KEYS, or OMNIMEMORY_API_KEYS_FILE.
ENV PATH=/opt/omnimemory/bin:$PATH \
    PYTHONUNBUFFERED=1 \
    PYTHONDONTWRITEBYTECODE=1 \
    OMNIMEMORY_HOME=/data \
    OMNIMEMORY_API_HOST=0.0.0.0 \
    OMNIMEMORY_API_PORT=8001 \
    LOG_FORMAT=json
USER 10001:10001
WORKDIR /data
# The ledger is here: every accepted turn. Without a volume it ends with the container.
VOLUME /data
EXPOSE 8001
STOPSIGNAL SIGTERM
HEALTHCHECK --interval=10s --timeout=3s --start-period=30s --retries=3 \
    CMD ["python", "-c", "import os, urllib.request as r; r.urlopen('http://127.0.0.1:' + os.environ['OMNIMEMORY_API_PORT'] + '/health/ready', timeout=2)"]
CMD ["omnimemory", "serve"]
