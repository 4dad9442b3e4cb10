# checkout/examples/cloud-tasks: the example's venv and node_modules, made by the very commands of the guide.
make_guide() {
  local example=$root/examples/cloud-tasks commands=$out/commands
  /usr/bin/python3 "$here/guide.py" >"$commands"
  local files=("$here/guide.py" "$commands" "$example/requirements.txt" "$example/package.json")
  fresh checkout "${files[@]}" && return
  say "the guide's example into ${out#"$root/"}/checkout"
  rm -rf "$out/checkout"
  mkdir -p "$out/checkout/examples"
  cp -r "$example" "$out/checkout/examples"
  (cd "$out/checkout" && bash -euo pipefail "$commands")
  made checkout "${files[@]}"
}

make_guide
