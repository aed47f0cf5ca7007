#!/usr/bin/env bash
# fuzz/run.sh <wire | startup | login | relay> [seconds]: fuzzes one target with one core and keeps what is new in its corpus,
# minimised. A finding is left in fuzz/artifacts/ and makes this fail. Works with stable Rust; needs a C++ compiler.
set -euo pipefail
cd "$(dirname "$0")"

target=${1:?wire, startup, login or relay}
seconds=${2:-60}
export CARGO_TARGET_DIR=${FUZZ_TARGET_DIR:-$PWD/target}
# What cargo-fuzz passes, without a sanitizer: the proxy forbids unsafe code.
export RUSTFLAGS="-Cpasses=sancov-module -Cllvm-args=-sanitizer-coverage-level=4 \
-Cllvm-args=-sanitizer-coverage-inline-8bit-counters -Cllvm-args=-sanitizer-coverage-pc-table \
-Cllvm-args=-sanitizer-coverage-trace-compares -Ccodegen-units=1 --cfg fuzzing"

host=$(rustc -vV | sed -n 's/^host: //p')
cargo build --release --locked --ignore-rust-version --target "$host" --bin "$target"
program=$CARGO_TARGET_DIR/$host/release/$target

work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
mkdir -p "artifacts/$target" "corpus/$target" "$work/found" "$work/kept"
"$program" "$work/found" "corpus/$target" -max_total_time="$seconds" -max_len=4096 -timeout=60 \
    -rss_limit_mb=1024 -print_final_stats=1 -artifact_prefix="artifacts/$target/"
"$program" -use_counters=0 -set_cover_merge=1 "$work/kept" "corpus/$target" "$work/found"
rm -f "corpus/$target"/*
cp "$work/kept"/* "corpus/$target/"
