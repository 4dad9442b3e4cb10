# The clients' jars, and the tests as classes.
make_java() {
  local files=("$here/pom.xml" "$here"/*.java)
  fresh classes "${files[@]}" && return
  if ! fresh jars "$here/pom.xml"; then
    say "Java: the clients into ${out#"$root/"}"
    rm -rf "$out/jars"
    mvn --quiet --batch-mode -f "$here/pom.xml" -Dmaven.repo.local="$out/repository" \
      dependency:copy-dependencies -DoutputDirectory="$out/jars"
    made jars "$here/pom.xml"
  fi
  rm -rf "$out/classes"
  mkdir -p "$out/classes"
  javac -Xlint:all,-processing -Werror -d "$out/classes" -cp "$out/jars/*" "$here"/*.java
  made classes "${files[@]}"
}

(make_java)
