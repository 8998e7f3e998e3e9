#!/bin/sh
# Made by capmin 0.1.0 on 2026-11-22T03:40:53Z from its result.json, strictness minimal
# for capmin/nginx:latest
# digest sha256:b1864d8fa0dd1d873a1234ca025eab2f681f53538d1edee6068cea3150132686, architecture x86_64
# searched by runc 1.1.5, confirmed by runc 1.1.5
#
# Usage: ./podman-run.sh [PODMAN RUN OPTION...] [-- COMMAND [ARGUMENT...]]
#    ./podman-run.sh -d -p 8080:80             more options of podman run; the image's own command
#    ./podman-run.sh --rm=false --restart always
#    ./podman-run.sh -it -- /bin/sh            another command
#    CAPMIN_IMAGE=example/web:2 ./podman-run.sh    another image, for example a newer tag
#    CAPMIN_PODMAN=podman-remote ./podman-run.sh      another program that takes podman's command line
set -eu
seccomp=$(CDPATH="" cd -- "$(dirname -- "$0")" && pwd)/seccomp.json
image=capmin/nginx:latest
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
    --cap-add CHOWN \
    --cap-add DAC_OVERRIDE \
    --cap-add NET_BIND_SERVICE \
    --cap-add SETGID \
    --cap-add SETUID \
    --security-opt seccomp="$seccomp" \
    --sysctl net.ipv4.ip_unprivileged_port_start=1024 \
    "$@"
