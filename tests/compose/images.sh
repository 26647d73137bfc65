# shellcheck shell=bash
# The images: ours as they are shipped, stand-ins for the official ones, and a compose v2. Needs lib.sh, install.sh.

BASE_IMAGE=karwan-test/debian:trixie
TARGETS=(listing-ingestion order-routing payment-reconciliation courier-dispatch karwanctl simulators)
STANDINS=(postgres valkey haproxy prometheus grafana kafka)
COMPOSE_V2=$LOCAL/compose-v2/docker-compose
export TAG=test DOCKER_BUILDKIT=0

make_base() { "$HERE/base" "$LOCAL/compose-base" "$BASE_IMAGE"; }

# build_image NAME OPTION…
build_image() {
	local name=$1
	shift
	docker build -q --build-arg "BASE=$BASE_IMAGE" -t "$name" "$@" >>"$WORK/build.log" 2>&1
}

# build_ours FOLDER TAG
build_ours() {
	local target
	for target in "${TARGETS[@]}"; do
		build_image "karwan/$target:$2" -f "$ROOT/infra/docker/Dockerfile" --target "$target" "$1" || return 1
	done
}

# The release after this one, as far as an upgrade needs it: what the images are built from, and tests/upgrade/next.patch.
build_next() {
	local next=$WORK/next
	rm -rf "$next"
	mkdir -p "$next/tests"
	cp -r "$ROOT"/{.dockerignore,CMakeLists.txt,CMakePresets.json,common,infra,schemas,services} "$next/"
	cp "$ROOT/tests/CMakeLists.txt" "$next/tests/"
	patch --silent -p1 -d "$next/services/order-routing" -i "$ROOT/tests/upgrade/next.patch" >>"$WORK/build.log" 2>&1 || return 1
	build_ours "$next" next || return 1
	rm -rf "$next"
}

build_standins() {
	local context=$WORK/context target
	rm -rf "$context"
	cp -r "$HERE/standins" "$context"
	mkdir -p "$context/kafka/libs"
	cp "$KAFKA_JARS"/*.jar "$context/kafka/libs/"
	cp "$ROOT/infra/kafka/log4j2.xml" "$context/kafka/"
	for target in "${STANDINS[@]}"; do
		build_image "karwan-test/$target" --target "$target" "$context" || return 1
	done
	rm -rf "$context"
}

in_parallel_builds() {
	local ours
	say "building images (the first time some minutes)"
	: >"$WORK/build.log"
	{ build_ours "$ROOT" "$TAG" && build_next; } &
	ours=$!
	build_standins || { wait "$ours" || true; build_failed; }
	wait "$ours" || build_failed
}

build_failed() {
	tail -n 25 "$WORK/build.log" >&2
	die "an image could not be built: $WORK/build.log"
}

# Debian 13's package, unpacked; it runs on Debian 12.
compose_v2() {
	[ ! -e "$COMPOSE_V2" ] || return 0
	local dir=$LOCAL/compose-v2
	rm -rf "$dir"
	mkdir -p "$dir"
	docker run --rm -v "$dir:/out" -w /out "$BASE_IMAGE" sh -c \
		'apt-get -q update && apt-get -q download docker-compose && dpkg -x docker-compose_*.deb unpacked' >>"$WORK/build.log" 2>&1 || build_failed
	cp "$(find "$dir/unpacked" -type f -path '*/cli-plugins/docker-compose')" "$COMPOSE_V2"
}
