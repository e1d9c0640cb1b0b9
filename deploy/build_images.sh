#!/usr/bin/env bash
# Builds the image of every part of the suite: deploy/build_images.sh [tag [repository [part …]]], with docker's BuildKit.
# The same sources and BASE give the same layers. DOCKER_BUILD_ARGS goes to every build (--build-arg BASE=…).
set -euo pipefail
cd "$(dirname "$0")/.."
tag=${1:-dev} repository=${2:-crm}
shift $(($# < 2 ? $# : 2))
parts=("$@")
if [[ ${#parts[@]} -eq 0 ]]; then
    for folder in services/*/migrations; do parts+=("$(basename "$(dirname "$folder")")"); done
    parts+=(gateway crmctl)
fi
for part in "${parts[@]}"; do
    # shellcheck disable=SC2086  # several arguments
    DOCKER_BUILDKIT=1 docker build --quiet --file deploy/Dockerfile --build-arg "SERVICE=$part" \
        --tag "$repository-$part:$tag" ${DOCKER_BUILD_ARGS:-} . > /dev/null
    docker image inspect --format "$repository-$part:$tag {{.Size}} bytes" "$repository-$part:$tag"
done
