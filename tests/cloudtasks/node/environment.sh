# node_modules: Google's clients of package-lock.json, without the parts of firebase-admin that are for other services.
make_node() {
  local files=("$here"/package.json "$here"/package-lock.json)
  fresh node_modules "${files[@]}" && return
  say "Node: the clients into ${out#"$root/"}/node_modules"
  cp "${files[@]}" "$out"
  npm ci --prefix "$out" --omit=optional --ignore-scripts --no-audit --no-fund --loglevel=error >/dev/null
  made node_modules "${files[@]}"
}

make_node
