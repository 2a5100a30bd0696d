# The base image: your program, run by exactly one replica.
#
#   docker build -t k8s-leader .                                   on Debian, see BASE_IMAGE
#   docker build --target tree -t k8s-leader-tree .                /opt/k8s-leader alone, to be
#                                                                  mounted or copied into any image
#   docker build --build-arg BASE_IMAGE=scratch -t k8s-leader .    on nothing at all
#
# Everything of ours is in /opt/k8s-leader, with its own interpreter and libraries: the base
# image needs no Python, and keeps its own if it has one.
ARG BASE_IMAGE=debian:trixie-slim
ARG BUILD_IMAGE=python:3.13-trixie

FROM ${BUILD_IMAGE} AS build
ARG SOURCE_DATE_EPOCH=0
WORKDIR /src
COPY pyproject.toml README.md LICENSE ./
COPY requirements/ requirements/
COPY image/ image/
COPY k8s_leader/ k8s_leader/
# Pinned by hash. Wheels that lie in image/wheels are used instead of an index.
RUN ["python3", "image/build_tree.py", "--root", "/out", "--wheels", "image/wheels"]

FROM scratch AS tree
ARG VERSION=0.0.0
ARG REVISION=unknown
ARG CREATED=1970-01-01T00:00:00Z
COPY --from=build /out/ /
LABEL org.opencontainers.image.title="k8s-leader tree" \
      org.opencontainers.image.description="/opt/k8s-leader for any image: runs a command on exactly one replica" \
      org.opencontainers.image.licenses="Apache-2.0" \
      org.opencontainers.image.version="${VERSION}" \
      org.opencontainers.image.revision="${REVISION}" \
      org.opencontainers.image.created="${CREATED}"
USER 65532:65532
ENTRYPOINT ["/opt/k8s-leader/bin/k8s-leader"]

FROM ${BASE_IMAGE} AS image
ARG BASE_IMAGE
ARG VERSION=0.0.0
ARG REVISION=unknown
ARG CREATED=1970-01-01T00:00:00Z
COPY --from=build /out/ /
LABEL org.opencontainers.image.title="k8s-leader" \
      org.opencontainers.image.description="Runs its command on exactly one replica" \
      org.opencontainers.image.licenses="Apache-2.0" \
      org.opencontainers.image.version="${VERSION}" \
      org.opencontainers.image.revision="${REVISION}" \
      org.opencontainers.image.created="${CREATED}" \
      org.opencontainers.image.base.name="${BASE_IMAGE}"
USER 65532:65532
STOPSIGNAL SIGTERM
ENTRYPOINT ["k8s-leader", "run", "--"]
