"""
The packaged table says what docs/bedrock_wire.md says: the page is the oracle.
"""

import re
from pathlib import Path

import pytest

from outcrop.adapters.request_rules import FIELDS
from outcrop.catalogue.models import Catalogue, ModelEntry, Price, Route, load_catalogue
from outcrop.catalogue.refusals import find_refusals

PAGE = (Path(__file__).parents[2] / "docs" / "bedrock_wire.md").read_text(encoding="utf-8")
ROW = re.compile(
    r"^\|(?P<base_id>[a-z0-9]+\.[^|]+)\|(?P<bare>[yn])\|(?P<profiles>[^|]+)\|(?P<context>[^|/]+)/(?P<output>[^|/]+)"
    r"\|(?P<input>[\d.]+)/(?P<out>[\d.]+)(?: \(us\. (?P<us_input>[\d.]+)/(?P<us_out>[\d.]+)\))?"
    r"\|(?P<cache>[^|]+)\|(?P<end>[^|]*)\|$",
    re.MULTILINE,
)
ROWS = {match["base_id"]: match for match in ROW.finditer(PAGE[PAGE.index("### 6.3") :])}
EXCEPTIONS = {"meta.llama3-70b-instruct-v1:0", "meta.llama3-8b-instruct-v1:0"}
"""
Their native body takes 2048 tokens, although the price list says 8K.
"""

BEYOND_THE_FIELDS = {"cache", "guardrail"}


def entry_of(base_id: str) -> ModelEntry:
    """
    Return a model's packaged entry.
    """
    return load_catalogue().models[base_id]


def test_the_page_was_read() -> None:
    """
    The oracle has as many rows as the page has models.
    """
    section = PAGE[PAGE.index("|Base model ID|") : PAGE.index("Historical prices still useful")]
    assert len(ROWS) == section.strip().count("\n") - 1 == 83


@pytest.mark.parametrize("base_id", ROWS)
def test_every_model_of_the_page_has_its_limits(base_id: str) -> None:
    """
    Context and answer are as long as the page says, within its rounding.
    """
    entry, row = entry_of(base_id), ROWS[base_id]
    assert is_about(entry.context_tokens, row["context"])
    if base_id not in EXCEPTIONS:
        assert is_about(entry.max_output_tokens, row["output"])


@pytest.mark.parametrize("base_id", ROWS)
def test_every_model_of_the_page_has_its_prices(base_id: str) -> None:
    """
    The price, that through `us.`, and the price of a read from the cache are the page's.
    """
    entry, row = entry_of(base_id), ROWS[base_id]
    assert entry.price is not None
    assert (entry.price.input, entry.price.output) == (float(row["input"]), float(row["out"]))
    assert entry.price.cache_read == (None if row["cache"] == "-" else float(row["cache"]))
    through_us: Price | None = entry.price_through("us")
    assert through_us is not None
    expected = (float(row["us_input"] or row["input"]), float(row["us_out"] or row["out"]))
    assert (through_us.input, through_us.output) == expected


@pytest.mark.parametrize("base_id", ROWS)
def test_every_model_of_the_page_has_its_profiles_and_its_end(base_id: str) -> None:
    """
    Profiles and the date of the end are the page's; what the page has not as a bare ID is called through a profile.
    """
    entry, row = entry_of(base_id), ROWS[base_id]
    assert set(entry.profiles) == set(row["profiles"].split()) - {"-"}
    assert (entry.end_of_life_on.isoformat() if entry.end_of_life_on else "") == row["end"]
    if row["bare"] == "n":
        assert not entry.on_demand


@pytest.mark.parametrize("base_id", [base_id for base_id in load_catalogue().models if base_id not in ROWS])
def test_a_model_beyond_the_page_is_going_or_gone(base_id: str) -> None:
    """
    What has no row of prices is there only because people still write its name.
    """
    assert entry_of(base_id).lifecycle != "active"


def test_whatever_goes_has_a_living_successor_or_none() -> None:
    """
    Nobody is sent from one model that goes away to another.
    """
    models = load_catalogue().models
    successors = [models[entry.successor] for entry in models.values() if entry.successor is not None]
    assert successors
    assert all(entry.lifecycle == "active" for entry in successors)
    assert all(entry.successor is None or entry.lifecycle != "active" for entry in models.values())


@pytest.mark.parametrize("route", ["native", "converse"])
def test_what_models_refuse_is_what_adapters_ask_for(route: Route) -> None:
    """
    A refusal in other words than those that adapters check with would refuse nothing.
    """
    catalogue: Catalogue = load_catalogue()
    refused = {field for entry in catalogue.models.values() for field in find_refusals(entry, route)}
    assert {part for field in refused for part in field.split("+")} <= FIELDS.keys() | BEYOND_THE_FIELDS


@pytest.mark.parametrize(
    ("base_id", "features", "lacks"),
    [
        ("anthropic.claude-haiku-4-5-20251001-v1:0", {"prefill", "cache", "reasoning", "count_tokens"}, set()),
        ("anthropic.claude-sonnet-5-5", {"tools"}, {"prefill", "tool_choice"}),
        ("anthropic.claude-3-haiku-20240307-v1:0", {"prefill"}, {"reasoning", "cache"}),
        ("amazon.titan-text-express-v1", {"guardrails"}, {"system", "tools", "reasoning"}),
        ("mistral.mixtral-8x7b-instruct-v0:1", {"guardrails"}, {"system", "tools"}),
        ("meta.llama3-70b-instruct-v1:0", {"system"}, {"tools"}),
        ("meta.llama3-3-70b-instruct-v1:0", {"tools"}, {"streaming_tools", "tool_choice"}),
        ("amazon.nova-micro-v1:0", {"streaming_tools", "cache"}, {"reasoning", "reasoning_history"}),
        ("ai21.jamba-1-5-large-v1:0", {"streaming_tools"}, {"reasoning"}),
        ("deepseek.r1-v1:0", {"reasoning"}, {"tools"}),
        ("openai.gpt-oss-120b-1:0", {"streaming_tools", "reasoning"}, set()),
    ],
)
def test_features_are_those_of_the_feature_table(base_id: str, features: set[str], lacks: set[str]) -> None:
    """
    Samples of docs/bedrock_wire.md §5.4, one for each of its rows.
    """
    found = set(entry_of(base_id).features)
    assert features <= found
    assert not lacks & found


def is_about(tokens: int, written: str) -> bool:
    """
    Compare a number with one that was written in thousands (or 1024s) or millions.
    """
    number, unit = int(written[:-1]), {"K": 1_000, "M": 1_000_000}[written[-1]]
    return round(tokens / unit) == number or (unit == 1_000 and tokens == number * 1_024)
