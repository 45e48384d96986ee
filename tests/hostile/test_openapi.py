"""
The OpenAPI document is true: calls that it allows, and calls that it forbids, get the answers that it lists.
"""

import json
import urllib.request
from collections.abc import Iterator
from typing import Any

import pytest
import schemathesis
from hypothesis import HealthCheck, given, settings
from schemathesis import GenerationMode
from schemathesis.core.result import Ok
from schemathesis.schemas import BaseSchema
from schemathesis.specs.openapi.checks import positive_data_acceptance

from tests.e2e.chat_client import chat_body, request
from tests.support import gateway_environment, run_outcrop

KNOWN = "known"
EXAMPLES = 60
HEALTH = list(HealthCheck)


@pytest.fixture(scope="module")
def url(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """
    Run a gateway with one kept conversation.
    """
    path = tmp_path_factory.mktemp("kept") / "outcrop.db"
    with run_outcrop("emulate", "--port", "0", "--first-token-ms", "0", "--tokens-per-second", "0") as (_, emulator):
        environ = gateway_environment(emulator, database_url=str(path))
        with run_outcrop("serve", "--port", "0", environ=environ) as (process, found):
            assert request(found, "POST", "/api/chat", chat_body("hello", KNOWN)).status == 200
            yield found
            assert not [event for event in process.events() if event.get("level") == "error"]


@pytest.fixture
def document(url: str) -> BaseSchema:
    """
    Load the document as its users do.
    """
    return schemathesis.openapi.from_url(f"{url}/api/openapi.json")


@pytest.mark.parametrize("mode", [GenerationMode.POSITIVE, GenerationMode.NEGATIVE], ids=["allowed", "forbidden"])
def test_every_answer_is_documented(document: BaseSchema, mode: GenerationMode) -> None:
    """
    No call gets a 5xx, or an answer that the document does not list in form and status.
    """
    asked = 0

    def ask(case: "schemathesis.Case[Any]") -> None:
        nonlocal asked
        asked += 1
        names = case.path_parameters or {}
        if asked % 2 and "conversation_id" in names:
            names["conversation_id"] = KNOWN
        # A cursor that was made up, or a search without a word, fits its type and is refused all the same.
        case.validate_response(case.call(timeout=20), excluded_checks=[positive_data_acceptance])

    for result in document.get_all_operations():
        assert isinstance(result, Ok)
        operation = result.ok()
        strategy = operation.as_strategy(generation_mode=mode)
        settings(max_examples=EXAMPLES, deadline=None, database=None, derandomize=True, suppress_health_check=HEALTH)(
            given(strategy)(ask)
        )()
    assert asked > 6 * EXAMPLES // 4


def test_the_document_is_valid_and_complete(url: str) -> None:
    """
    Every declared operation has its own name, a summary, and says what it answers; the page of it is there.
    """
    with urllib.request.urlopen(f"{url}/api/openapi.json", timeout=10) as response:
        found: dict[str, Any] = json.load(response)
    operations = [operation for path in found["paths"].values() for operation in path.values()]
    names = [operation["operationId"] for operation in operations]
    assert len(set(names)) == len(names) >= 6
    assert all(operation["summary"] and {"200", "201"} & set(operation["responses"]) for operation in operations)
    with urllib.request.urlopen(f"{url}/api/docs", timeout=10) as response:
        page = response.read().decode()
    assert all(name in page for name in names)
