# shellcheck shell=bash
# The build trees, .karwan/build/<preset>. Needs lib.sh.

# build PRESET: one build of a checkout at a time. All output is on standard error.
build() {
	say "building ($1)"
	mkdir -p "$LOCAL/build"
	(
		exec {lock}>"$LOCAL/build/lock" && flock "$lock" && cd "$ROOT" &&
			{ [ -e "$LOCAL/build/$1/build.ninja" ] || cmake --preset "$1"; } &&
			cmake --build --preset "$1" -- --quiet
	) >&2 || die "the build failed"
}
