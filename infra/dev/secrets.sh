# shellcheck shell=bash
# A run's secrets, one file each in secrets/, made once and then kept; and the partners file that names them.
# Needs lib.sh, servers.sh.

# make_secret NAME COMMAND…: what COMMAND prints, one line.
make_secret() {
	local file=$RUN/secrets/$1
	shift
	[ -e "$file" ] || (umask 077 && "$@" >"$file.new" && mv "$file.new" "$file")
}

# Standard Webhooks: base64 after the prefix.
webhook_secret() { echo "whsec_$(openssl rand -base64 32)"; }
# Stripe's look the same and are used as they stand.
stripe_secret() { echo "whsec_$(secret 16)"; }

# Of the partners that infra/dev/partners.json declares.
make_demo_secrets() {
	local name
	for name in pavilion dibs ahaan courier-a courier-b; do
		make_secret "$name" webhook_secret
	done
	for name in shopify-demo woo-demo woo-demo-key woo-demo-secret daraz-demo daraz-demo-token aftership-demo easypost-demo; do
		make_secret "$name" secret 16
	done
	make_secret stripe-demo stripe_secret
}

make_secrets() {
	make_demo_secrets
	make_secret operator secret 32
	make_secret national-id-key secret 32
	make_secret national-id-hash-key secret 32
}

# The simulators' addresses follow the run's ports; the rest of an existing file is its owner's.
make_partners() {
	local file=$RUN/partners.json name url
	[ -e "$file" ] || cp "$DEV/partners.json" "$file"
	for name in "${SIMULATORS[@]}"; do
		url=http://127.0.0.1:${PORT[$name]}
		case "$name" in
		shops)
			jq --arg url "$url" '(.channels[] | select(.name | IN("woo-demo", "daraz-demo")) | .url) |=
				sub("^(@shops@|http://127\\.0\\.0\\.1:[0-9]+)"; $url)' "$file" >"$file.new"
			;;
		*)
			jq --arg name "$name" --arg url "$url" '(.couriers[] | select(.name == $name) | .url) = $url' \
				"$file" >"$file.new"
			;;
		esac
		mv "$file.new" "$file"
	done
}
