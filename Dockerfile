# The workflow's environment for sites with neither Python 3.11 nor conda: docs/cluster.md. Not tested here: no container could be built.
FROM python:3.11-slim-bookworm

RUN apt-get update \
    && apt-get install -y --no-install-recommends g++ make \
    && rm -rf /var/lib/apt/lists/*
COPY requirements.lock /
RUN python -m pip install --no-cache-dir --require-hashes -r /requirements.lock
WORKDIR /work
