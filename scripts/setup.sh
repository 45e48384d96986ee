#!/bin/sh
# Make .venv with the locked dependencies, from nothing but python3, and build the page.
# Usage: scripts/setup.sh run|dev. Does nothing when what is installed fits the lock files and the page its sources.
set -eu
cd "$(dirname "$0")/.."

kind=${1:-run}
case $kind in
    run) lock=requirements.lock ;;
    dev) lock=requirements-dev.lock ;;
    *) echo "usage: scripts/setup.sh run|dev" >&2; exit 2 ;;
esac

stamp=.venv/.installed-$kind
wanted=$(cksum "$lock" pyproject.toml)
if [ -x .venv/bin/outcrop ] && [ -f "$stamp" ] && [ "$(cat "$stamp")" = "$wanted" ]; then
    exec sh scripts/page.sh build
fi

find_uv() {
    if command -v uv >/dev/null 2>&1; then
        command -v uv
        return
    fi
    if [ ! -x .uv/bin/uv ]; then
        command -v python3 >/dev/null 2>&1 || { echo "python3 is needed, and not here" >&2; exit 1; }
        if ! python3 -c 'import ensurepip, venv' >/dev/null 2>&1; then
            if [ "$(id -u)" = 0 ] && command -v apt-get >/dev/null 2>&1; then
                apt-get update -qq >&2 && apt-get install -y -qq --no-install-recommends python3-venv >&2
            else
                echo "python3 lacks its venv module: install it (Debian: apt-get install python3-venv), or install uv" >&2
                exit 1
            fi
        fi
        echo "installing uv into .uv" >&2
        python3 -m venv .uv >&2
        .uv/bin/python -m pip install --quiet --require-hashes -r requirements-uv.lock >&2
    fi
    echo .uv/bin/uv
}

uv=$(find_uv)
if ! .venv/bin/python -c 'import sys; sys.exit(sys.version_info < (3, 11))' >/dev/null 2>&1; then
    "$uv" venv --quiet --clear --python '>=3.11' .venv
fi
echo "installing $lock into .venv" >&2
if [ "$kind" = dev ]; then
    "$uv" pip sync --quiet --python .venv/bin/python --require-hashes "$lock"
else
    "$uv" pip install --quiet --python .venv/bin/python --require-hashes -r "$lock"
fi
# The page comes first: the package then finds it built, and asks for no Node.
if [ "$kind" = dev ]; then
    sh scripts/page.sh build --everything
else
    sh scripts/page.sh build
fi
"$uv" pip install --quiet --python .venv/bin/python --no-deps --editable .
rm -f .venv/.installed-*
echo "$wanted" >"$stamp"
if [ "$kind" = dev ]; then
    # What tests need is more than what running needs.
    cksum requirements.lock pyproject.toml >.venv/.installed-run
fi
