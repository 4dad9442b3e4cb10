#!/usr/bin/env bash
# fuzz.sh FUZZER SECONDS: one libFuzzer program, from the inputs that are checked in (src/**/NAME_corpus/) and those it
# found in earlier runs (beside the program, not checked in). Fails when it finds a crash, a leak or a slow input.
set -euo pipefail
fuzzer=$1
seconds=$2
name=$(basename "$fuzzer")
found=$(dirname "$fuzzer")/../corpus/$name
mkdir -p "$found"
given=$(find "$(dirname "$0")/../src" "$(dirname "$0")/fuzz" -type d -name "${name}_corpus" 2>/dev/null || true)
exec "$fuzzer" -max_total_time="$seconds" -timeout=10 -rss_limit_mb=2048 -max_len=65536 -print_final_stats=1 \
  -artifact_prefix="$found/../" "$found" $given
