# shellcheck shell=bash
# What a checkout needs of the machine: Debian packages, the jars of Apache Kafka, and what its tests check documents with. Needs lib.sh.

as_root() {
	if [ "$EUID" -eq 0 ]; then
		"$@"
	else
		command -v sudo >/dev/null || die "packages are missing; run ./karwan install as root"
		sudo "$@"
	fi
}

has_package() { [ "$(dpkg-query -W -f '${db:Status-Status}' "$1" 2>/dev/null)" = installed ]; }
can_have_package() { [[ $(apt-cache policy "$1") =~ Candidate:\ [0-9] ]]; }

# missing_packages LIST COMMAND: for each line of LIST of which nothing is installed, the first choice that passes.
missing_packages() {
	local list=$1 passes=$2 line choice choices found
	while read -r line; do
		IFS='|' read -ra choices <<<"$line"
		found=
		for choice in "${choices[@]}"; do
			! has_package "$choice" || continue 2
		done
		for choice in "${choices[@]}"; do
			[ -n "$found" ] || ! "$passes" "$choice" || found=$choice
		done
		echo "${found:-${choices[0]}}"
	done < <(sed -e 's/#.*//' -e 's/[[:space:]]//g' -e '/^$/d' "$DEV/$list")
}

# Packages come without services of their own: policy-rc.d forbids their start, PostgreSQL makes no cluster, and
# what would start at the next boot is disabled.
# install_packages LIST
install_packages() {
	local missing
	command -v dpkg-query >/dev/null || die "this is no Debian: install the packages of infra/dev/$1 by hand"
	mapfile -t missing < <(missing_packages "$1" true)
	[ "${#missing[@]}" -gt 0 ] || return 0
	as_root apt-get -q update >>"$LOCAL/logs/install.log" 2>&1 || say "apt-get update had errors, going on: $LOCAL/logs/install.log"
	mapfile -t missing < <(missing_packages "$1" can_have_package)
	say "installing: ${missing[*]}"
	as_root bash "$DEV/apt-quietly" "${missing[@]}" >>"$LOCAL/logs/install.log" 2>&1 </dev/null || {
		tail -n 15 "$LOCAL/logs/install.log" >&2
		die "packages could not be installed: $LOCAL/logs/install.log"
	}
}

# Outside every data folder, so that no wipe takes them.
install_kafka() {
	local pom=$ROOT/infra/kafka/pom.xml jars
	place "$LOCAL/kafka"
	jars=$(realpath "$LOCAL/kafka")
	! cmp -s "$pom" "$jars/complete" || return 0
	say "fetching Apache Kafka"
	rm -rf "${jars:?}"/*
	mvn -B -q -f "$pom" dependency:copy-dependencies -DincludeScope=runtime -DoutputDirectory="$jars" \
		>>"$LOCAL/logs/install.log" 2>&1 </dev/null || {
		tail -n 15 "$LOCAL/logs/install.log" >&2
		die "Apache Kafka's jars could not be fetched: $LOCAL/logs/install.log"
	}
	chmod -R a+rX "$jars"
	cp "$pom" "$jars/complete"
}

# What tests check documents with: Python packages of PyPI, pinned, in a folder of their own.
install_validators() {
	local pins=$DEV/validators.txt dir=$LOCAL/python version
	version=$(python3 -V)
	! cmp -s <(echo "$version" && cat "$pins") "$dir/complete" || return 0
	say "fetching validators"
	rm -rf "$dir"
	python3 -m pip install -q --disable-pip-version-check --no-deps --require-hashes --only-binary :all: --target "$dir" -r "$pins" \
		>>"$LOCAL/logs/install.log" 2>&1 </dev/null || {
		tail -n 15 "$LOCAL/logs/install.log" >&2
		die "the validators could not be fetched: $LOCAL/logs/install.log"
	}
	(echo "$version" && cat "$pins") >"$dir/complete"
}

# Kafka's classes as its JVM keeps them in memory: a start takes a third of the time. Without it all works, too.
archive_kafka() {
	local dir=$LOCAL/kafka-archive
	[ ! -e "$KAFKA_JARS/classes.jsa" ] || return 0
	place "$dir"
	"$DEV/kafka-server" "$(realpath "$dir")/kafka" "$(free_port)" archive >>"$LOCAL/logs/install.log" 2>&1 ||
		say "Kafka's classes could not be archived, going on: $LOCAL/logs/install.log"
	unplace "$dir"
}

install_all() {
	mkdir -p "$LOCAL/logs"
	install_packages packages.txt
	install_kafka
	archive_kafka
}

# install_for_tests: what the tests need beside that.
install_for_tests() {
	install_all
	install_validators
}
