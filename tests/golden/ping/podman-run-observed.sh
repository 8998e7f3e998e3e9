#!/bin/sh
# Made by capmin 0.1.0 from its result.json, strictness observed
# for registry.example/it's `a` $(trap)\x0a#:1
# digest sha256:0707070707070707070707070707070707070707070707070707070707070707, architecture arm64
# searched by docker 28.2.2, not confirmed
#
# Usage: ./podman-run.sh [PODMAN RUN OPTION...] [-- COMMAND [ARGUMENT...]]
#    ./podman-run.sh -d -p 8080:80             more options of podman run; the image's own command
#    ./podman-run.sh --rm=false --restart always
#    ./podman-run.sh -it -- /bin/sh            another command
#    CAPMIN_IMAGE=example/web:2 ./podman-run.sh    another image, for example a newer tag
#    CAPMIN_PODMAN=podman-remote ./podman-run.sh      another program that takes podman's command line
set -eu
seccomp=$(CDPATH="" cd -- "$(dirname -- "$0")" && pwd)/seccomp-observed.json
image='registry.example/it'"'"'s `a` $(trap)
#:1'
image=${CAPMIN_IMAGE:-$image}

# Podman wants OPTIONS IMAGE COMMAND: put the image where the options end.
left=$#
while [ "$left" -gt 0 ] && [ "$1" != -- ]; do
    set -- "$@" "$1"
    shift
    left=$((left - 1))
done
if [ "$left" -gt 0 ]; then
    shift
    left=$((left - 1))
fi
set -- "$@" -- "$image"
while [ "$left" -gt 0 ]; do
    set -- "$@" "$1"
    shift
    left=$((left - 1))
done

exec "${CAPMIN_PODMAN:-podman}" --runtime runc run --rm \
    --cap-drop all \
    --cap-add NET_RAW \
    --security-opt seccomp="$seccomp" \
    --sysctl net.ipv4.ip_unprivileged_port_start=1024 \
    "$@"
