# venv: Google's client and helpers, by requirements.txt.
make_python() {
  local files=("$here/requirements.txt")
  fresh venv "${files[@]}" && return
  say "Python: the client into ${out#"$root/"}/venv"
  rm -rf "$out/venv"
  /usr/bin/python3 -m venv "$out/venv"
  "$out/venv/bin/python" -m pip install --quiet --disable-pip-version-check -r "$here/requirements.txt"
  made venv "${files[@]}"
}

make_python
