# Writes page.rs from page.txt: each line becomes a string. Run by devloop in this folder.
#
# page.rs is emptied first and then written piece by piece, as most generators do it. A build that started too early
# would read half of it; under devloop none does.
set -eu
{
    echo '// Made by generate.sh from page.txt. Do not edit.'
    echo 'pub const LINES: &[&str] = &['
    sed -e 's/\\/\\\\/g' -e 's/"/\\"/g' -e 's/.*/    "&",/' page.txt
    echo '];'
} > page.rs
