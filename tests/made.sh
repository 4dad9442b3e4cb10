# Sourced by what makes the environments of SDKs and clients (tests/*/environments.sh): a part is made once, and again when what it is
# made from has changed.
#
#     fresh PART FILES...   whether PART was made from exactly these files by exactly these scripts
#     made PART FILES...    notes that it was
#     say TEXT...           what is going on, for people
#
# Before it: out, the folder of what is made; scripts, an array of the files that say how.
sum_of() { sha256sum "${scripts[@]}" "${@:2}" | awk '{ print $1 }'; }
fresh() { [ -f "$out/$1.sum" ] && [ "$(cat "$out/$1.sum")" = "$(sum_of "$@")" ]; }
made() { sum_of "$@" >"$out/$1.sum"; }
say() { printf '== %s\n' "$*" >&2; }
