#!/usr/bin/env bash
# Builds a newer PgBouncer than the installed Debian has, for `make bench` to compare with: the source package of a later
# suite of the same archive, checked by apt against the archive's signature. Leaves the system's own sources alone.
# Where none can be had, the comparison is with the packaged one.
# Usage: scripts/newest-pgbouncer.sh DIRECTORY   (the program becomes DIRECTORY/pgbouncer)
set -euo pipefail

readonly dir=${1:?where to build}
readonly suites=(sid testing trixie-backports trixie)
readonly keyring=/usr/share/keyrings/debian-archive-keyring.gpg

give_up() {
    echo "make: $1: comparing with the packaged PgBouncer" >&2
    exit 0
}

# The archive that this system's packages come from.
archive() {
    apt-get indextargets --format "\$(REPO_URI)" "Created-By: Packages" | grep -v security | head -n 1
}

fetch() {
    local suite=$1
    local apt=(apt-get -qq -o "Dir::Etc::sourcelist=$dir/sources.list" -o Dir::Etc::sourceparts=/dev/null
        -o "Dir::State::lists=$dir/lists" -o "Dir::Cache=$dir/cache" -o APT::Sandbox::User=root)
    mkdir -p "$dir/lists/partial" "$dir/cache/archives/partial"
    echo "deb-src [signed-by=$keyring] $uri $suite main" >"$dir/sources.list"
    "${apt[@]}" update && (cd "$dir" && "${apt[@]}" source --download-only pgbouncer)
}

compile() {
    mkdir -p "$dir/source"
    tar -xf "$dir"/pgbouncer_*.orig.tar.gz -C "$dir/source" --strip-components=1
    (cd "$dir/source" && ./configure --quiet --with-cares --without-pam --disable-debug CFLAGS=-O2 &&
        make -s -j"$(nproc)" pgbouncer)
    mv "$dir/source/pgbouncer" "$dir/pgbouncer"
}

[[ -x $dir/pgbouncer ]] && exit 0
[[ -e $keyring ]] && command -v apt-get >/dev/null || give_up "no Debian archive"
readonly uri=$(archive)
rm -rf "$dir"
for suite in "${suites[@]}"; do
    fetch "$suite" >/dev/null 2>&1 && break
done
compgen -G "$dir/pgbouncer_*.orig.tar.gz" >/dev/null || give_up "no newer source could be fetched"
compile >"$dir/log" 2>&1 || give_up "building failed, see $dir/log"
rm -rf "$dir"/{source,lists,cache,sources.list}
