# shellcheck shell=bash
# What every script of this folder needs: messages, folders that a server's user can reach, free ports, waiting.

ROOT=$(cd "$(dirname "${BASH_SOURCE[0]}")/../.." && pwd)
LOCAL=$ROOT/.karwan
# shellcheck disable=SC2034  # for those who read this file
DEV=$ROOT/infra/dev
# shellcheck disable=SC2034
KAFKA_JARS=$(realpath -m "$LOCAL/kafka") # where the jars are, also for a user who cannot enter the checkout
export LC_ALL=C.UTF-8

say() { printf '%s\n' "$*" >&2; }
die() {
	say "$(basename "$0"): $*"
	exit 1
}

# as_user USER COMMAND…: as root, COMMAND as USER; as anybody else, as oneself.
as_user() {
	local user=$1
	shift
	if [ "$EUID" -eq 0 ]; then
		setpriv --reuid "$user" --regid "$(id -g "$user")" --clear-groups -- "$@"
	else
		"$@"
	fi
}

# become USER COMMAND…: replaces this process by COMMAND, as USER and with nothing of the caller's environment.
become() {
	local user=$1 clean=(env -i "PATH=$PATH" "LC_ALL=$LC_ALL" "HOME=/")
	shift
	if [ "$EUID" -eq 0 ]; then
		exec "${clean[@]}" setpriv --reuid "$user" --regid "$(id -g "$user")" --clear-groups -- "$@"
	fi
	exec "${clean[@]}" "$@"
}

# own USER DIR: DIR and all in it belong to USER, also where it was copied from elsewhere by another.
own() {
	[ "$EUID" -eq 0 ] || return 0
	[ -z "$(find "$2" ! -user "$1" -print -quit)" ] || chown -R "$1:$(id -g "$1")" "$2"
}

# place DIR: makes DIR where every server's user can come to it. Where the checkout is closed to them (a home
# folder, say), the folder lies under /var/tmp, and DIR is a link to it.
place() {
	local dir=$1 parent real
	[ ! -d "$dir" ] || return 0
	parent=$(dirname "$dir")
	mkdir -p "$parent"
	rm -f "$dir"
	if as_user nobody test -x "$parent"; then
		mkdir -m 755 "$dir"
	else
		real=$(mktemp -d /var/tmp/karwan.XXXXXX)
		chmod 755 "$real"
		ln -s "$real" "$dir"
	fi
}

# unplace DIR: removes what place made.
unplace() {
	if [ -L "$1" ]; then
		rm -rf "$(readlink "$1")"
		rm -f "$1"
	else
		rm -rf "$1"
	fi
}

port_is_free() { ! (exec 3<>"/dev/tcp/127.0.0.1/$1") 2>/dev/null; }

# free_port: below the range from which the system takes the ports of outgoing connections, so that a server which
# is restarted finds its port free. Each caller gets the next one, so that runs which start side by side never get the
# same.
free_port() {
	mkdir -p "$LOCAL"
	(
		flock 9
		{ read -r port <"$LOCAL/ports.last"; } 2>/dev/null || port=$((15000 + SRANDOM % 17000))
		for _ in {1..200}; do
			port=$((15000 + (port - 14999) % 17000))
			if port_is_free "$port"; then
				echo "$port" | tee "$LOCAL/ports.last"
				exit 0
			fi
		done
		exit 1
	) 9>"$LOCAL/ports.lock" || die "no free port between 15000 and 32000"
}

# wait_until SECONDS COMMAND…: until COMMAND succeeds; fails after SECONDS.
wait_until() {
	local end=$((SECONDS + $1))
	shift
	until "$@"; do
		[ "$SECONDS" -lt "$end" ] || return 1
		sleep 0.05
	done
}

secret() { openssl rand -hex "$1"; } # of so many random bytes
