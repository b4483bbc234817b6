# PostgreSQL in this folder: made on the first start, then run.
set -e

# Debian keeps the server out of PATH, by version.
for folder in /usr/lib/postgresql/*/bin; do PATH="$folder:$PATH"; done

# The server refuses to run as root (in a container, say): there it runs as the user `postgres`.
as=
if [ "$(id -u)" = 0 ]; then
    mkdir -p data && chown -R postgres data
    as='setpriv --reuid postgres --regid postgres --clear-groups'
fi

if [ ! -e data/PG_VERSION ]; then
    $as initdb --pgdata data --username dev --auth trust >/dev/null
fi
exec $as postgres -D data -p "$PORT" -c unix_socket_directories=
