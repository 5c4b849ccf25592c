# The workflow's environment for machines with neither Python 3.11 nor conda; docs/cluster.md says how to use it, `make test-container`
# tests it. BASE is a Debian 12 or another system whose python3 is 3.11 to 3.13, LOCK a lock file of this repository.
ARG BASE=docker.io/library/debian:bookworm-slim
FROM $BASE

RUN apt-get update \
    && apt-get install -y --no-install-recommends python3-venv g++ make \
    && rm -rf /var/lib/apt/lists/*
ENV PATH=/opt/allenrec/bin:$PATH
ARG LOCK=requirements.lock
COPY $LOCK /opt/allenrec.lock
RUN python3 -m venv /opt/allenrec \
    && pip install --no-cache-dir --require-hashes -r /opt/allenrec.lock
# The user has neither a name nor a home here. Snakemake asks for the name; caches lie in the clone, as `make` has them then.
ENV USER=user HOME=/clone/.snakemake
WORKDIR /clone
