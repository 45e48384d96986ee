"""
The AWS SDK for JavaScript, unmodified, against one model of each family that is still served.
"""

import json
import subprocess
from pathlib import Path
from typing import Any

import pytest

from outcrop.catalogue.models import ModelEntry
from tests.clients.test_catalogue_boto3 import MAX_TOKENS, MESSAGES, SERVED, TALK, model_id_of, text_of
from tests.emulator.native import DIALECTS, streamed_text

pytestmark = pytest.mark.service

SCRIPT = Path(__file__).parent / "js" / "catalogue.mjs"
EXAMPLES: dict[str, ModelEntry] = {entry.family: entry for entry in reversed(SERVED)}


def test_every_family_gives_one_text_on_four_operations(node: Path, emulator: Any, tmp_path: Path) -> None:
    """
    Over HTTP/2, Converse, its stream, the native body and its stream give the same text, for each family.
    """
    asked = [
        {
            "modelId": model_id_of(entry),
            "messages": MESSAGES,
            "body": json.dumps(DIALECTS[family].write(TALK, MAX_TOKENS)),
        }
        for family, entry in EXAMPLES.items()
    ]
    questions, answers = tmp_path / "questions.json", tmp_path / "answers.json"
    questions.write_text(json.dumps(asked))
    command = [str(node), str(SCRIPT), emulator.url, str(questions), str(answers)]
    subprocess.run(command, timeout=60, check=True)
    replies = json.loads(answers.read_text())
    assert len(replies) == len(EXAMPLES) == len(DIALECTS) - 1
    for family, reply in zip(EXAMPLES, replies, strict=True):
        text = text_of(reply["whole"]["output"]["message"]["content"])
        deltas = [event["contentBlockDelta"]["delta"] for event in reply["events"] if "contentBlockDelta" in event]
        assert "simulated by the outcrop emulator" in text
        assert text_of(deltas) == text
        assert DIALECTS[family].text(reply["native"]) == text
        assert streamed_text(family, reply["chunks"]) == text
    assert {call["http_version"] for call in emulator.calls()} == {"2"}
