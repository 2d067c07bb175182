# The assets, with Node; the environment, with a compiler's worth of wheels; then only what runs.
FROM node:24-slim AS assets
WORKDIR /build
COPY package.json package-lock.json .npmrc vite.config.js ./
RUN npm ci --no-audit --no-fund
COPY frontend ./frontend
RUN npm run build

FROM python:3.11-slim AS environment
COPY requirements.lock /
RUN python -m venv /venv \
    && /venv/bin/pip install --quiet --disable-pip-version-check --require-hashes -r /requirements.lock

FROM python:3.11-slim
RUN apt-get update -qq \
    && apt-get install -y -qq --no-install-recommends \
       libpango-1.0-0 libpangoft2-1.0-0 libharfbuzz-subset0 \
    && rm -rf /var/lib/apt/lists/* \
    && useradd --system --uid 10001 --create-home throughline \
    && install -d -o throughline /var/lib/throughline
COPY --from=environment /venv /venv
WORKDIR /app
COPY . .
COPY --from=assets /build/static_dist /app/static_dist
ENV PATH=/venv/bin:$PATH \
    PYTHONUNBUFFERED=1 \
    PYTHONDONTWRITEBYTECODE=1 \
    MONETIZATION_NO_BOOTSTRAP=1 \
    DJANGO_SETTINGS_MODULE=monetization.config.settings \
    VAR_DIR=/var/lib/throughline \
    STATIC_DIST=/app/static_dist
USER throughline
EXPOSE 8000
CMD ["gunicorn", "--config", "monetization/config/gunicorn_conf.py", "--bind", "0.0.0.0:8000", "--workers", "2"]
