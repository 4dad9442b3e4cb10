#!/usr/bin/env bash
# Makes what the App Engine clients need, in build/appengine, from the registries of Python, Go and Java:
#
#     venv/         Python's SDK and Flask, by requirements.txt
#     go/           modules, build cache, and client_test, the Go tests as one program
#     java/         the SDK's jars, and the Java tests as classes
#
# Each part keeps a sum of what it was made from and is made again when that has changed; otherwise this returns at once.
# Called by ./dev, which has installed the tools; the parts can be named: environments.sh python go java.
set -euo pipefail
here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
root=$(cd "$here/../.." && pwd)
out=${APPENGINE_BUILD:-$root/build/appengine}

scripts=("$here/environments.sh")
source "$root/tests/made.sh"

make_python() {
  local files=("$here/requirements.txt")
  fresh python "${files[@]}" && return
  say "Python: the App Engine SDK into ${out#"$root/"}/venv"
  rm -rf "$out/venv"
  /usr/bin/python3 -m venv "$out/venv"
  "$out/venv/bin/python" -m pip install --quiet --disable-pip-version-check -r "$here/requirements.txt"
  made python "${files[@]}"
}

make_go() {
  local files=("$here"/go/go.* "$here"/go/*.go)
  fresh go "${files[@]}" && return
  say "Go: the App Engine SDK and the tests into ${out#"$root/"}/go"
  (cd "$here/go" && GOMODCACHE="$out/go/modules" GOCACHE="$out/go/cache" GOFLAGS="-modcacherw -mod=readonly" GOTOOLCHAIN=local \
    go test -c -o "$out/go/client_test" .)
  made go "${files[@]}"
}

make_java() {
  local example=$root/examples/appengine-java
  local files=("$here/java/pom.xml" "$here"/java/*.java "$example"/*.java)
  fresh java "${files[@]}" && return
  if ! fresh java_jars "$here/java/pom.xml"; then
    say "Java: the App Engine SDK into ${out#"$root/"}/java"
    rm -rf "$out/java/jars"
    mvn --quiet --batch-mode -f "$here/java/pom.xml" -Dmaven.repo.local="$out/java/repository" \
      dependency:copy-dependencies -DoutputDirectory="$out/java/jars"
    made java_jars "$here/java/pom.xml"
  fi
  rm -rf "$out/java/classes"
  mkdir -p "$out/java/classes"
  javac -Xlint:all,-serial,-processing -Werror -d "$out/java/classes" -cp "$out/java/jars/*" "$here"/java/*.java "$example"/*.java
  made java "${files[@]}"
}

mkdir -p "$out"
for part in "${@:-python go java}"; do
  for name in $part; do make_"$name"; done
done
