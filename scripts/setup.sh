#!/usr/bin/env bash
# Installs what `make run`, `make test` or `make bench` needs and is not there yet.
# What is installed already is left alone; no service is started and no default cluster is made.
# Usage: scripts/setup.sh run|test|bench
set -euo pipefail

missing=()

# need PACKAGE COMMAND...: the package is missing when the command fails.
need() {
    local package=$1
    shift
    "$@" >/dev/null 2>&1 || missing+=("$package")
}

has_libclang() {
    compgen -G '/usr/lib/llvm-*/lib/libclang*.so*' || compgen -G '/usr/lib/*/libclang*.so*' ||
        [[ -n ${LIBCLANG_PATH:-} ]]
}

collect() {
    local postgres=/usr/lib/postgresql/15/bin
    need postgresql-15 test -x "$postgres/initdb"
    need postgresql-server-dev-15 test -f /usr/include/postgresql/15/server/postgres.h
    need libclang-dev has_libclang
    need clang command -v clang
    need build-essential command -v cc
    [[ $1 == run ]] && return
    need python3-venv python3 -c 'import ensurepip, venv'
    need nodejs command -v node
    need npm command -v npm
    need default-jdk-headless command -v javac
    need libpostgresql-jdbc-java test -f /usr/share/java/postgresql.jar
    need prometheus-pgbouncer-exporter command -v prometheus-pgbouncer-exporter
    [[ $1 == test ]] && return
    need pgbouncer test -x /usr/sbin/pgbouncer
    need libevent-dev test -f /usr/include/event2/event.h
    need libssl-dev test -f /usr/include/openssl/ssl.h
    need libc-ares-dev test -f /usr/include/ares.h
    need pkg-config command -v pkg-config
    need valgrind command -v valgrind
}

refuse() {
    echo "make: $1" >&2
    exit 1
}

# Packages start their services when they are installed; policy-rc.d is Debian's way to say no.
without_services() {
    local policy=/usr/sbin/policy-rc.d
    if [[ ! -e $policy ]]; then
        trap "rm -f $policy" EXIT
        printf '#!/bin/sh\nexit 101\n' >"$policy"
        chmod 755 "$policy"
    fi
    "$@"
}

install_packages() {
    export DEBIAN_FRONTEND=noninteractive
    local get=(apt-get install -y --no-install-recommends -o Dpkg::Options::=--force-confold)
    apt-get update
    if [[ ! -e /etc/postgresql-common/createcluster.conf ]]; then
        "${get[@]}" postgresql-common
        sed -i 's/^#\?create_main_cluster.*/create_main_cluster = false/' \
            /etc/postgresql-common/createcluster.conf
    fi
    "${get[@]}" "${missing[@]}"
}

command -v cargo >/dev/null || refuse "cargo was not found: install Rust from https://rustup.rs"
collect "${1:?run, test or bench}"
((${#missing[@]})) || exit 0
command -v apt-get >/dev/null ||
    refuse "missing: ${missing[*]} (Debian's names): install them with this system's package manager"
((EUID == 0)) ||
    refuse "missing: ${missing[*]}: run sudo apt-get install --no-install-recommends ${missing[*]}"
without_services install_packages </dev/null
