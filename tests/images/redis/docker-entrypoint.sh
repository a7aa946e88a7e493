#!/bin/sh
# Keeps the contract of the official Redis image: an option or a configuration file alone means the server, which runs as the
# user `redis` with its files in the working directory, readable by nobody else, as PID 1.
set -eu

case "${1:-}" in
    -* | *.conf) set -- redis-server "$@" ;;
esac

if [ "${1:-}" = redis-server ]; then
    if [ "$(id -u)" = 0 ]; then
        find . ! -user redis -exec chown redis {} +
        exec setpriv --reuid=redis --regid=redis --init-groups -- "$0" "$@"
    fi
    # The official image is compiled with protected mode off, because nothing reaches a container but its own networks.
    configuration=/dev/null
    case "${2:-}" in
        *.conf) configuration="$2" ;;
    esac
    case "$*" in
        *--protected-mode*) ;;
        *) grep -q '^protected-mode' "$configuration" || set -- "$@" --protected-mode no ;;
    esac
fi

[ "$(umask)" != 0022 ] || umask 0077

exec "$@"
