# client_test, the Go tests as one program, and the modules and caches that it is made with.
make_go() {
  local files=("$here"/go.* "$here"/*.go)
  fresh client_test "${files[@]}" && return
  local go=go needed
  export GOMODCACHE="$out/modules" GOCACHE="$out/cache" GOFLAGS="-modcacherw -mod=readonly" GOTOOLCHAIN=local
  needed=$(awk '$1 == "go" { print $2 }' "$here/go.mod")
  if [ "$(printf '%s\n' "go$needed" "$(go env GOVERSION)" | sort -V | head -1)" != "go$needed" ]; then
    # The clients need a newer Go than Debian's, which fetches it as it fetches any module and checks its sum.
    local toolchain="golang.org/toolchain@v0.0.1-go$needed.linux-$(go env GOARCH)"
    say "Go $needed, since $(go env GOVERSION) is too old, into ${GOMODCACHE#"$root/"}"
    (cd "$out" && GOFLAGS=-modcacherw go mod download "$toolchain")
    chmod -R u+x "$GOMODCACHE/$toolchain/bin" "$GOMODCACHE/$toolchain/pkg/tool"  # modules have no such bits
    go=$GOMODCACHE/$toolchain/bin/go
  fi
  say "Go: the clients and the tests into ${out#"$root/"}"
  (cd "$here" && "$go" test -c -o "$out/client_test" . 2> >(grep -v '^go: downloading' >&2))
  made client_test "${files[@]}"
}

(make_go)
