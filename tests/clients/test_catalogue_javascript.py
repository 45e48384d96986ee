"""
The AWS SDK for JavaScript, unmodified, against every model that is still served, beside boto3.
"""

import json
import subprocess
from contextlib import closing
from pathlib import Path
from typing import Any

import boto3
import pytest

from tests.clients.test_catalogue_boto3 import MAX_TOKENS, MESSAGES, SERVED, TALK, model_id_of, text_of
from tests.emulator.native import DIALECTS, streamed_text

pytestmark = pytest.mark.service

SCRIPT = Path(__file__).parent / "js" / "catalogue.mjs"


def test_every_model_says_the_same_to_both_sdks(node: Path, emulator: Any, tmp_path: Path) -> None:
    """
    Over HTTP/2, Converse, its stream, the native body and its stream give the text that boto3 gets, for each model.
    """
    asked = [
        {
            "modelId": model_id_of(entry),
            "messages": MESSAGES,
            "body": json.dumps(DIALECTS[entry.family].write(TALK, MAX_TOKENS)),
        }
        for entry in SERVED
    ]
    questions, answers = tmp_path / "questions.json", tmp_path / "answers.json"
    questions.write_text(json.dumps(asked))
    command = [str(node), str(SCRIPT), emulator.url, str(questions), str(answers)]
    subprocess.run(command, timeout=60, check=True)
    assert {call["http_version"] for call in emulator.calls()} == {"2"}
    with closing(boto3.client("bedrock-runtime", endpoint_url=emulator.url)) as runtime:
        for entry, reply in zip(SERVED, json.loads(answers.read_text()), strict=True):
            text = text_of(reply["whole"]["output"]["message"]["content"])
            deltas = [event["contentBlockDelta"]["delta"] for event in reply["events"] if "contentBlockDelta" in event]
            assert "simulated by the outcrop emulator" in text
            assert text_of(deltas) == text
            assert DIALECTS[entry.family].text(reply["native"]) == text
            assert streamed_text(entry.family, reply["chunks"]) == text
            asked_too: Any = {"messages": MESSAGES, "inferenceConfig": {"maxTokens": MAX_TOKENS}}
            beside = runtime.converse(modelId=model_id_of(entry), **asked_too)
            assert text_of(beside["output"]["message"]["content"]) == text
