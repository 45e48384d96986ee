#!/bin/sh
# Install the programs of the system that the tests use: as root on Debian by itself, elsewhere it says what is left out.
# With OUTCROP_REQUIRE_SERVICES=1, leaving something out is a failure.
set -eu

has() { command -v "$1" >/dev/null 2>&1 || [ -x "/usr/sbin/$1" ]; }

missing=
has chromium || missing="$missing chromium"
fc-list 2>/dev/null | grep -qi 'noto' || missing="$missing fonts-noto-core"
has redis-server || has valkey-server || missing="$missing redis-server"
has postgres || ls /usr/lib/postgresql/*/bin/postgres >/dev/null 2>&1 || missing="$missing postgresql"
has nginx || missing="$missing nginx-light"
[ -n "$missing" ] || exit 0

# The tests start their own processes on free ports: nothing that this step installs may start by itself.
policy=/usr/sbin/policy-rc.d
keep_services_off() {
    [ -e "$policy" ] && return 0
    printf '#!/bin/sh\nexit 101\n' >"$policy"
    chmod 755 "$policy"
    trap 'rm -f "$policy"' EXIT
}

if [ "$(id -u)" = 0 ] && command -v apt-get >/dev/null 2>&1; then
    echo "installing$missing" >&2
    keep_services_off
    # PostgreSQL's package would make a cluster of its own; the tests make theirs.
    mkdir -p /etc/postgresql-common
    [ -e /etc/postgresql-common/createcluster.conf ] ||
        echo 'create_main_cluster = false' >/etc/postgresql-common/createcluster.conf
    apt-get update -qq >&2
    # shellcheck disable=SC2086  # a list of names
    DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends $missing fontconfig >&2
    exit 0
fi
echo "left out: tests that need$missing (as root on Debian they are installed by this step; elsewhere install them)" >&2
[ "${OUTCROP_REQUIRE_SERVICES:-}" != 1 ]
