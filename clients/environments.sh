#!/usr/bin/env bash
# Makes what the tests of our own clients need, in build/clients. Called by ./dev, which has installed the tools.
set -euo pipefail
here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
root=$(cd "$here/.." && pwd)
out=$root/build/clients
scripts=("$here/environments.sh")
source "$root/tests/made.sh"
mkdir -p "$out"

files=("$here/python/requirements.txt")
if ! fresh venv "${files[@]}"; then
  say "Python: what our own client's tests need into build/clients/venv"
  rm -rf "$out/venv"
  /usr/bin/python3 -m venv "$out/venv"
  "$out/venv/bin/python" -m pip install --quiet --disable-pip-version-check -r "${files[0]}"
  made venv "${files[@]}"
fi
