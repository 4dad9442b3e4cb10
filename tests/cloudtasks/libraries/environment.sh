# venv and node_modules: libraries on top of Google's clients, and those clients.
make_venv() {
  local files=("$here/requirements.txt")
  fresh venv "${files[@]}" && return
  say "Python: libraries on top of Google's client into ${out#"$root/"}/venv"
  rm -rf "$out/venv"
  /usr/bin/python3 -m venv "$out/venv"
  "$out/venv/bin/python" -m pip install --quiet --disable-pip-version-check -r "$here/requirements.txt"
  made venv "${files[@]}"
}

make_node_modules() {
  local files=("$here"/package.json "$here"/package-lock.json)
  fresh node_modules "${files[@]}" && return
  say "Node: libraries on top of Google's client into ${out#"$root/"}/node_modules"
  cp "${files[@]}" "$out"
  npm ci --prefix "$out" --ignore-scripts --no-audit --no-fund --loglevel=error >/dev/null
  made node_modules "${files[@]}"
}

make_venv
make_node_modules
