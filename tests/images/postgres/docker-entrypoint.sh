#!/bin/bash
# Keeps the contract of the official PostgreSQL image: the first start makes a cluster out of POSTGRES_USER, POSTGRES_PASSWORD,
# POSTGRES_DB (each also as …_FILE), POSTGRES_INITDB_ARGS, POSTGRES_HOST_AUTH_METHOD and /docker-entrypoint-initdb.d;
# every start ends with the server as PID 1.
set -Eeuo pipefail

fail() {
    printf 'Error: %s\n' "$@" >&2
    exit 1
}

# from_file NAME DEFAULT: NAME from the environment, else from the file that NAME_FILE names, else the default.
from_file() {
    local file_name="$1_FILE"
    [[ -z ${!1:-} || -z ${!file_name:-} ]] || fail "$1 and $file_name are both set; they exclude each other"
    local value="${!1:-$2}"
    [[ -z ${!file_name:-} ]] || value="$(<"${!file_name}")"
    printf -v "$1" %s "$value"
    export "${1?}"
    unset "$file_name"
}

only_informs() {
    local argument
    for argument; do
        case "$argument" in
            '-?' | --help | --describe-config | -V | --version) return 0 ;;
        esac
    done
    return 1
}

prepare_directories() {
    mkdir -p "$PGDATA" /var/run/postgresql
    chmod 0700 "$PGDATA" || true
    if [[ $EUID -eq 0 ]]; then
        find "$PGDATA" /var/run/postgresql ! -user postgres -exec chown postgres {} +
    fi
}

# From 18 on the volume is /var/lib/postgresql. A mount at the place of old would stay empty while the data go to an
# anonymous volume, which the next re-creation of the container leaves behind.
refuse_old_layout() {
    [[ $PG_MAJOR -ge 18 ]] || return 0
    local found=()
    local directory
    for directory in /var/lib/postgresql /var/lib/postgresql/data /var/lib/postgresql/*/docker; do
        [[ ! -s $directory/PG_VERSION ]] || found+=("$directory")
    done
    if [[ ${#found[@]} -eq 0 ]] && grep -q ' /var/lib/postgresql/data ' /proc/self/mountinfo; then
        found+=('/var/lib/postgresql/data (an unused mount)')
    fi
    [[ ${#found[@]} -eq 0 ]] || fail \
        "in 18+, this image keeps its data in a directory named after the version, $PGDATA" \
        "there appears to be PostgreSQL data in: ${found[*]}" \
        'mount the volume at /var/lib/postgresql instead'
}

run_psql() {
    PGHOST='' PGHOSTADDR='' psql -v ON_ERROR_STOP=1 --no-psqlrc --no-password --username "$POSTGRES_USER" "$@"
}

run_init_scripts() {
    local file
    for file in /docker-entrypoint-initdb.d/*; do
        case "$file" in
            *.sh)
                echo "$0: running $file"
                # shellcheck source=/dev/null
                if [[ -x $file ]]; then "$file"; else . "$file"; fi
                ;;
            *.sql) echo "$0: running $file" && run_psql --dbname "$POSTGRES_DB" -f "$file" ;;
            *.sql.gz) echo "$0: running $file" && gunzip -c "$file" | run_psql --dbname "$POSTGRES_DB" ;;
            *) [[ ! -e $file ]] || echo "$0: ignoring $file" ;;
        esac
    done
}

create_cluster() {
    [[ -n $POSTGRES_PASSWORD || $POSTGRES_HOST_AUTH_METHOD == trust ]] || fail \
        'Database is uninitialized and superuser password is not specified.' \
        'Set POSTGRES_PASSWORD (or POSTGRES_PASSWORD_FILE) to a non-empty value.'

    local extra_arguments
    eval "extra_arguments=($POSTGRES_INITDB_ARGS)"
    initdb --username="$POSTGRES_USER" --pwfile=<(printf '%s\n' "$POSTGRES_PASSWORD") "${extra_arguments[@]}"
    printf '\nhost all all all %s\n' "${POSTGRES_HOST_AUTH_METHOD:-$(postgres -C password_encryption "${@:2}")}" >> "$PGDATA/pg_hba.conf"

    # Nobody but the socket reaches the server before it is set up.
    PGUSER="$POSTGRES_USER" pg_ctl -D "$PGDATA" -w -o "$(printf '%q ' "${@:2}" -c listen_addresses= -p "${PGPORT:-5432}")" start
    export PGPASSWORD="${PGPASSWORD:-$POSTGRES_PASSWORD}"
    if [[ -z $(run_psql --dbname postgres --tuples-only --set db="$POSTGRES_DB" <<< "SELECT 1 FROM pg_database WHERE datname = :'db'") ]]; then
        run_psql --dbname postgres --set db="$POSTGRES_DB" <<< 'CREATE DATABASE :"db"'
    fi
    run_init_scripts
    PGUSER="$POSTGRES_USER" pg_ctl -D "$PGDATA" -m fast -w stop
    unset PGPASSWORD
    printf '\nPostgreSQL init process complete; ready for start up.\n\n'
}

[[ ${1:-} != -* ]] || set -- postgres "$@"

if [[ ${1:-} == postgres ]] && ! only_informs "$@"; then
    from_file POSTGRES_PASSWORD ''
    from_file POSTGRES_USER postgres
    from_file POSTGRES_DB "$POSTGRES_USER"
    from_file POSTGRES_INITDB_ARGS ''
    : "${POSTGRES_HOST_AUTH_METHOD:=}"
    [[ -s $PGDATA/PG_VERSION ]] || refuse_old_layout
    prepare_directories
    if [[ $EUID -eq 0 ]]; then
        export HOME=/var/lib/postgresql
        exec setpriv --reuid=postgres --regid=postgres --init-groups -- "$0" "$@"
    fi
    [[ -s $PGDATA/PG_VERSION ]] || create_cluster "$@"
fi

exec "$@"
