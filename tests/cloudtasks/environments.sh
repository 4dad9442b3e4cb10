#!/usr/bin/env bash
# Makes what Google's clients of Cloud Tasks need, in build/cloudtasks, from the registries of their languages. A language is a folder
# beside this, with an environment.sh that says how; its sums say whether anything has to be done.
#
# Called by ./dev, which has installed the tools; languages can be named: environments.sh go java.
set -euo pipefail
tests=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
root=$(cd "$tests/../.." && pwd)
source "$root/tests/made.sh"

# An environment.sh finds its folder in here, and makes into out.
make_language() {
  local here=$tests/$1 out=${CLOUDTASKS_BUILD:-$root/build/cloudtasks}/$1
  local scripts=("$here/environment.sh")
  mkdir -p "$out"
  source "$here/environment.sh"
}

[ $# -gt 0 ] || set -- $(cd "$tests" && dirname -- */environment.sh)
for language in "$@"; do make_language "$language"; done
