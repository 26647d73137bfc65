#!/bin/sh
# A field row whose member has another type must not compile: CASE 0 of json_types.c does, every other one does not.
set -eu
compiler=$1 common=$2 here=$3
compile() {
	"$compiler" -std=gnu11 -D_GNU_SOURCE -fsyntax-only -DCASE="$1" -I"$common" "$here/json_types.c" 2>&1
}
compile 0
cases=$(sed -n 's/^#\(el\)\{0,1\}if CASE == \([1-9][0-9]*\)$/\2/p' "$here/json_types.c")
seen=0
for number in $cases; do
	if said=$(compile "$number"); then
		echo "CASE $number compiles and must not"
		exit 1
	fi
	# refused for its type, not for a slip in the file
	if ! echo "$said" | grep -q '_Generic'; then
		echo "CASE $number: $said"
		exit 1
	fi
	seen=$((seen + 1))
done
test "$seen" -eq 13
echo "$seen wrong rows were refused"
