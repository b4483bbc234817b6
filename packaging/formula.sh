#!/bin/sh
# Prints the Homebrew formula of a tag. Usage: packaging/formula.sh v0.1.0
# The repository is that of Cargo.toml, or of DEVLOOP_REPOSITORY; the checksum that of the tag's source, or of the file
# DEVLOOP_SOURCE.
set -eu
cd "$(dirname "$0")/.."

tag="${1:?usage: packaging/formula.sh TAG}"
repository="${DEVLOOP_REPOSITORY:-$(sed -n 's/^repository = "\(.*\)"/\1/p' Cargo.toml)}"
if [ -z "$repository" ]; then
    echo "error: Cargo.toml names no repository" >&2
    echo "  hint: add it, or set DEVLOOP_REPOSITORY" >&2
    exit 1
fi
url="$repository/archive/refs/tags/$tag.tar.gz"
if command -v sha256sum >/dev/null; then sum="sha256sum"; else sum="shasum -a 256"; fi
if [ -n "${DEVLOOP_SOURCE:-}" ]; then
    checksum="$($sum "$DEVLOOP_SOURCE" | cut -d ' ' -f 1)"
else
    source="$(mktemp)"
    trap 'rm -f "$source"' EXIT
    curl --fail --silent --show-error --location --output "$source" "$url"
    checksum="$($sum "$source" | cut -d ' ' -f 1)"
fi
sed -e "s|@REPOSITORY@|$repository|" -e "s|@URL@|$url|" -e "s|@SHA256@|$checksum|" packaging/devloop.rb.in
