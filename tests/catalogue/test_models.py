"""
The packaged table loads, and a broken table is refused with words that name the entry.
"""

from datetime import date

import pytest

from outcrop.adapters.registry import ADAPTERS
from outcrop.adapters.request_rules import FIELDS
from outcrop.catalogue.models import load_catalogue, parse_catalogue
from outcrop.errors import SettingsError

ENTRY = """
[[providers]]
segment = "acme"
title = "Acme"

[[fallbacks]]
starts_with = "acme."
family = "acme"

[[models]]
base_id = "acme.one-v1:0"
title = "One"
family = "acme"
on_demand = true
lifecycle = "active"
context_tokens = 1000
max_output_tokens = 100
input_modalities = ["text"]
"""


def test_the_packaged_table_loads_once() -> None:
    """
    The packaged table is loaded once and shared.
    """
    assert load_catalogue() is load_catalogue()


def test_every_family_of_the_table_has_an_adapter() -> None:
    """
    Every family that an entry or a fallback names is in the adapters' registry.
    """
    catalogue = load_catalogue()
    families = {entry.family for entry in catalogue.models.values()} | {row.family for row in catalogue.fallbacks}
    assert families <= ADAPTERS.keys()


def test_every_refusal_of_the_table_is_a_field_that_adapters_check() -> None:
    """
    A refusal that no adapter knows would silently refuse nothing.
    """
    named = {field for entry in load_catalogue().models.values() for row in entry.refuses for field in row.split("+")}
    assert named <= FIELDS.keys()


def test_every_provider_has_a_fallback() -> None:
    """
    A model that a known provider offers tomorrow has a family.
    """
    catalogue = load_catalogue()
    assert all(catalogue.fallback_family(f"{segment}.new-9") for segment in catalogue.providers)


def test_an_entry_carries_its_lifecycle_and_prices() -> None:
    """
    The model of many tutorials is marked as past its end of life.
    """
    entry = load_catalogue().models["anthropic.claude-3-haiku-20240307-v1:0"]
    assert (entry.lifecycle, entry.legacy_on, entry.end_of_life_on) == (
        "end_of_life",
        date(2026, 3, 10),
        date(2026, 9, 10),
    )
    assert entry.price is not None
    assert (entry.price.input, entry.price.output, entry.price.priced_on) == (0.25, 1.25, date(2026, 11, 20))


def test_a_geographic_profile_costs_its_own_price() -> None:
    """
    The price through `global.` differs from the one through `us.` where the entry says so.
    """
    entry = load_catalogue().models["anthropic.claude-haiku-4-5-20251001-v1:0"]
    through = {profile: entry.price_through(profile) for profile in ("global", "us")}
    assert {profile: price and price.output for profile, price in through.items()} == {"global": 5, "us": 5.5}


def test_a_price_without_profiles_is_the_only_price() -> None:
    """
    Where the entry has one price, it holds for every way to call the model.
    """
    entry = load_catalogue().models["meta.llama3-70b-instruct-v1:0"]
    assert entry.price_through(None) is entry.price


def test_a_sound_table_is_taken() -> None:
    """
    The smallest sound table loads; the tests below break it in one place each.
    """
    assert list(parse_catalogue(ENTRY).models) == ["acme.one-v1:0"]


@pytest.mark.parametrize(
    ("old", "new", "complaint"),
    [
        ('base_id = "acme.one-v1:0"', 'base_id = "other.one-v1:0"', "provider 'other'"),
        ("on_demand = true", "on_demand = false", "neither on demand nor through a profile"),
        ("on_demand = true", 'on_demand = true\nprofiles = ["us", "us"]', "a profile stands there twice"),
        ("context_tokens = 1000", "context_tokens = 0", "context_tokens is 0"),
        ("max_output_tokens = 100", "max_output_tokens = 1001", "expected 1 to 1000"),
        ('input_modalities = ["text"]', 'input_modalities = ["image"]', "lacks 'text'"),
        ('lifecycle = "active"', 'lifecycle = "legacy"', "'legacy' without end_of_life_on"),
        ('lifecycle = "active"', 'lifecycle = "fresh"', "lifecycle"),
        ('title = "One"', 'title = "One"\ncolour = "red"', "colour"),
        ('title = "One"', "", "title"),
        (
            'title = "One"',
            'title = "One"\ngeographic_price = { input = 1, output = 2, priced_on = 2026-11-20 }',
            "without a price",
        ),
    ],
)
def test_a_broken_entry_is_named(old: str, new: str, complaint: str) -> None:
    """
    A broken entry is refused, and the message says which entry and what is wrong.
    """
    text = ENTRY.replace(f"\n{old}\n", f"\n{new}\n")
    with pytest.raises(SettingsError, match=complaint) as caught:
        parse_catalogue(text)
    assert ".one-v1:0" in str(caught.value)


def test_an_entry_that_stands_twice_is_named() -> None:
    """
    Two entries for one model are refused, because only one of them would hold.
    """
    with pytest.raises(SettingsError, match=r"'acme.one-v1:0'.*twice"):
        parse_catalogue(ENTRY + ENTRY[ENTRY.index("[[models]]") :])


def test_an_entry_without_its_key_is_named_by_its_position() -> None:
    """
    An entry without a base ID is named by where it stands.
    """
    with pytest.raises(SettingsError, match="'number 1' of 'models'"):
        parse_catalogue(ENTRY.replace('base_id = "acme.one-v1:0"\n', ""))


@pytest.mark.parametrize(("text", "complaint"), [("[[models", "not TOML"), ("[colours]\na = 1", "'colours'")])
def test_a_text_of_another_shape_is_refused(text: str, complaint: str) -> None:
    """
    What is not such a table at all is refused with the reason.
    """
    with pytest.raises(SettingsError, match=complaint):
        parse_catalogue(text)
