#!/bin/sh
# Install the programs of the system that the tests use: as root on Debian by itself, elsewhere it says what is left out.
# With OUTCROP_REQUIRE_SERVICES=1, leaving something out is a failure.
set -eu

missing=
command -v chromium >/dev/null 2>&1 || missing="$missing chromium"
fc-list 2>/dev/null | grep -qi 'noto' || missing="$missing fonts-noto-core"
[ -n "$missing" ] || exit 0

if [ "$(id -u)" = 0 ] && command -v apt-get >/dev/null 2>&1; then
    echo "installing$missing" >&2
    apt-get update -qq >&2
    # shellcheck disable=SC2086  # a list of names
    DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends $missing fontconfig >&2
    exit 0
fi
echo "left out: tests that need$missing (as root on Debian they are installed by this step; elsewhere install them)" >&2
[ "${OUTCROP_REQUIRE_SERVICES:-}" != 1 ]
