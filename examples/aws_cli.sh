#!/bin/sh
# Talk to the emulator with the AWS CLI. Start it first: outcrop emulate
#
#     sh examples/aws_cli.sh [http://127.0.0.1:9099]
set -eu
server=${1:-http://127.0.0.1:9099}
# The emulator takes any keys, and the CLI insists on some.
export AWS_ACCESS_KEY_ID="${AWS_ACCESS_KEY_ID:-test}" AWS_SECRET_ACCESS_KEY="${AWS_SECRET_ACCESS_KEY:-test}"
# Version 1 of the CLI reads the second name only.
export AWS_REGION="${AWS_REGION:-us-east-1}" AWS_DEFAULT_REGION="${AWS_DEFAULT_REGION:-us-east-1}"
answer=$(mktemp)
trap 'rm -f "$answer"' EXIT

# Version 2 of the CLI wants one option more, to take the body as it is written here.
case $(aws --version 2>&1) in aws-cli/2*) raw="--cli-binary-format raw-in-base64-out" ;; *) raw= ;; esac

# shellcheck disable=SC2086  # an option and its value
aws bedrock-runtime invoke-model --endpoint-url "$server" $raw \
    --model-id us.anthropic.claude-opus-4-6-v1 --content-type application/json \
    --body '{
        "anthropic_version": "bedrock-2023-05-31", "max_tokens": 200,
        "messages": [{"role": "user", "content": [{"type": "text", "text": "Tell me a story."}]}],
        "temperature": 0.7, "top_k": 50, "top_p": 0.9, "stop_sequences": ["THE END"]
    }' "$answer"
cat "$answer"
