#!/bin/sh
# Made by capmin 0.1.0 on 2026-11-22T04:06:00Z from its result.json, strictness minimal
# for capmin/board-mariadb:latest
# digest sha256:154983a276a6753571e20ac747f4ea9fe43ee7c750d4e66b9d552b9790e8d20d, architecture x86_64
# searched by runc 1.1.5, confirmed by runc 1.1.5
#
# Usage: ./run.sh [DOCKER RUN OPTION...] [-- COMMAND [ARGUMENT...]]
#    ./run.sh -d -p 8080:80             more options of docker run; the image's own command
#    ./run.sh --rm=false --restart always
#    ./run.sh -it -- /bin/sh            another command
#    CAPMIN_IMAGE=example/web:2 ./run.sh    another image, for example a newer tag
#    CAPMIN_DOCKER=podman ./run.sh      another program that takes docker's command line
set -eu
seccomp=$(CDPATH="" cd -- "$(dirname -- "$0")" && pwd)/seccomp.json
image=capmin/board-mariadb:latest
image=${CAPMIN_IMAGE:-$image}

# Docker wants OPTIONS IMAGE COMMAND: put the image where the options end.
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

exec "${CAPMIN_DOCKER:-docker}" run --rm \
    --cap-drop ALL \
    --cap-add CHOWN \
    --cap-add DAC_OVERRIDE \
    --cap-add SETGID \
    --cap-add SETUID \
    --security-opt seccomp="$seccomp" \
    --sysctl net.ipv4.ip_unprivileged_port_start=1024 \
    "$@"
