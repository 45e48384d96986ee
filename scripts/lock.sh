#!/bin/sh
# Renew the lock files: every version, every hash, and no address of an index.
set -eu
cd "$(dirname "$0")/.."
uv=$(command -v uv || echo .uv/bin/uv)
compile() { "$uv" pip compile --quiet --upgrade --universal --generate-hashes --no-emit-index-url --no-header "$@"; }
compile --python-version 3.11 pyproject.toml --group dev -o requirements-dev.lock
compile --python-version 3.11 pyproject.toml --constraint requirements-dev.lock -o requirements.lock
echo uv | compile --python-version 3.9 - -o requirements-uv.lock
echo awscli | compile --python-version 3.11 - -o tests/clients/requirements-awscli.lock
echo mock-ai-api | compile --python-version 3.11 - -o tests/clients/requirements-engine.lock
compile --python-version 3.11 tests/clients/requirements-frameworks.in -o tests/clients/requirements-frameworks.lock
compile --python-version 3.11 tests/clients/requirements-litellm.in -o tests/clients/requirements-litellm.lock
