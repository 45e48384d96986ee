"""
What is told of models: lines for menus, and warnings for those that go away.
"""

from datetime import UTC, date, datetime, timedelta

import msgspec
import pytest

from outcrop.catalogue.listing import describe_listing, warning_for
from outcrop.catalogue.models import load_catalogue
from outcrop.catalogue.resolve import list_models, resolve

NOW = datetime(2026, 11, 21, 12, tzinfo=UTC)
HAIKU = "anthropic.claude-haiku-4-5-20251001-v1:0"


@pytest.mark.parametrize(
    ("name", "words", "successor"),
    [
        (
            "anthropic.claude-3-haiku-20240307-v1:0",
            "reached its end of life on 2026-09-10, and calls of it fail",
            HAIKU,
        ),
        (
            "us.anthropic.claude-opus-4-1-20250805-v1:0",
            "is a legacy model and will end on 2027-01-08",
            "anthropic.claude-opus-4-5-20251101-v1:0",
        ),
        ("amazon.titan-text-lite-v1", "is a legacy model and will end", "amazon.nova-micro-v1:0"),
        ("ai21.jamba-1-5-mini-v1:0", "is a legacy model and will end on 2026-11-26", None),
    ],
)
def test_a_model_that_goes_away_is_warned_of(name: str, words: str, successor: str | None) -> None:
    """
    The warning says when, and where to go if there is somewhere.
    """
    model = resolve(name)
    advice = f"; its successor is {successor!r}" if successor else ""
    assert warning_for(model) == f"model {model.base_id!r} {words}{advice}"


@pytest.mark.parametrize(
    "name", ["anthropic", "meta.llama9-1t", "arn:aws:bedrock:us-east-1:123456789012:provisioned-model/a1b2c3d4e5f6"]
)
def test_there_is_no_warning_of_the_living_and_the_unknown(name: str) -> None:
    """
    What is active, or not known at all, is no cause for one.
    """
    assert warning_for(resolve(name)) is None


def test_a_line_says_all_that_is_known() -> None:
    """
    Features, limits, lifecycle, short names and the price of the profile that is called, with its day and source.
    """
    line = next(line for line in list_models(region="us-east-1") if line.name == HAIKU)
    assert (line.model_id, line.base_id, line.provider, line.short_names) == (
        f"us.{HAIKU}", HAIKU, "Anthropic", ("anthropic",),
    )  # fmt: skip
    assert (line.context_tokens, line.max_output_tokens, line.lifecycle, line.warning) == (
        200_000,
        64_000,
        "active",
        None,
    )
    assert line.features is not None
    assert "prefill" in line.features
    assert line.price is not None
    assert (line.price.input, line.price.output, line.price.priced_on) == (1.1, 5.5, date(2026, 11, 20))
    assert "LiteLLM" in line.price.source


@pytest.mark.parametrize(
    ("name", "region", "price"),
    [
        (HAIKU, "us-east-1", 1.1),
        (HAIKU, "sa-east-1", 1.0),
        (f"global.{HAIKU}", "us-east-1", 1.0),
        (f"arn:aws:bedrock:us-east-1:123456789012:inference-profile/global.{HAIKU}", "us-east-1", 1.0),
        (f"arn:aws:bedrock:us-east-1:123456789012:inference-profile/us.{HAIKU}", "us-east-1", 1.1),
        ("amazon.nova-2-lite-v1:0", "us-east-1", 0.33),
        ("meta.llama3-70b-instruct-v1:0", "us-east-1", 2.65),
    ],
)
def test_the_price_is_that_of_the_profile_which_is_called(name: str, region: str, price: float) -> None:
    """
    The same model costs less through its global profile.
    """
    (line, *_) = list_models(short_names={"it": name}, region=region)
    assert line.price is not None
    assert line.price.input == price


def test_everything_lists_the_dead_and_the_far_too() -> None:
    """
    Asked for everything, the list has every entry of the table.
    """
    names = {line.name for line in list_models(region="eu-west-1", everything=True, short_names={})}
    assert names == set(load_catalogue().models)


@pytest.mark.parametrize(
    ("refreshed_at", "age"), [(None, None), (NOW - timedelta(hours=2), 7200), (NOW + timedelta(hours=1), 0)]
)
def test_the_age_of_a_listing_is_told(refreshed_at: datetime | None, age: int | None) -> None:
    """
    Without a refresh there is no age; a clock that went back makes no negative one.
    """
    catalogue = msgspec.structs.replace(load_catalogue(), refreshed_at=refreshed_at)
    told = describe_listing(list_models(), catalogue, "us-east-1", NOW)
    assert (told["age_seconds"], told["refreshed_at"], told["region"]) == (age, refreshed_at, "us-east-1")
    assert msgspec.json.decode(msgspec.json.encode(told))["models"][0]["name"] == "llama3"
