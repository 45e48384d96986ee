#!/bin/sh
# Talk to the emulator as to Bedrock, with curl. Start it first: outcrop emulate
#
#     sh examples/curl.sh [http://127.0.0.1:9099]
set -eu
server=${1:-http://127.0.0.1:9099}

echo "# Claude, with its native body:"
curl --fail-with-body -sS "$server/model/us.anthropic.claude-haiku-4-5-20251001-v1%3A0/invoke" \
    -H 'content-type: application/json' -d '{
        "anthropic_version": "bedrock-2023-05-31", "max_tokens": 100,
        "messages": [{"role": "user", "content": [{"type": "text", "text": "Say hello."}]}]
    }'
echo

echo "# Llama, by Converse:"
curl --fail-with-body -sS "$server/model/meta.llama3-70b-instruct-v1%3A0/converse" \
    -H 'content-type: application/json' -d '{
        "messages": [{"role": "user", "content": [{"text": "Say hello."}]}],
        "inferenceConfig": {"maxTokens": 100}
    }'
echo

echo "# The next call will be throttled:"
curl --fail-with-body -sS "$server/_emulator/faults" \
    -d '{"fault": {"kind": "http_error", "name": "ThrottlingException"}, "times": 1}' >/dev/null
curl -sS -o /dev/null -w '%{http_code}\n' "$server/model/meta.llama3-70b-instruct-v1%3A0/converse" \
    -d '{"messages": [{"role": "user", "content": [{"text": "Say hello."}]}]}'
