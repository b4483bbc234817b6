#!/bin/sh
# Builds a release and packs it as `cargo binstall` looks for it: devloop-TARGET.tar.gz in target/packages, with its
# checksum. Usage: packaging/archive.sh [TARGET]
set -eu
cd "$(dirname "$0")/.."

target="${1:-$(rustc -vV | sed -n 's/^host: //p')}"
cargo build --locked --release --target "$target"

name="devloop-$target"
folder="target/packages/$name"
rm -rf "$folder"
mkdir -p "$folder"
cp -R "target/$target/release/devloop" packaging/completions README.md CHANGELOG.md LICENSE-MIT LICENSE-APACHE docs/devloop.1 docs/dev.schema.json "$folder"
tar -C target/packages -czf "target/packages/$name.tar.gz" "$name"
cd target/packages
if command -v sha256sum >/dev/null; then sum="sha256sum"; else sum="shasum -a 256"; fi
$sum "$name.tar.gz" > "$name.tar.gz.sha256"
echo "target/packages/$name.tar.gz"
