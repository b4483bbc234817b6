# Runs every file of migrations/ that has not run yet, in order, each in a transaction.
set -e
export PGOPTIONS=--client-min-messages=warning
query() { psql "$DATABASE_URL" --quiet --no-align --tuples-only --set ON_ERROR_STOP=1 "$@"; }

query --command 'CREATE TABLE IF NOT EXISTS migrations (name text PRIMARY KEY)'
for file in migrations/*.sql; do
    name=$(basename "$file")
    if [ -z "$(query --command "SELECT 1 FROM migrations WHERE name = '$name'")" ]; then
        query --single-transaction --file "$file" --command "INSERT INTO migrations VALUES ('$name')"
        echo "migrated: $name"
    fi
done
