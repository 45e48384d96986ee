"""
The packaged table loads, and a broken table is refused with words that name the entry.
"""

from datetime import date
from pathlib import Path

import pytest

from outcrop.adapters.registry import ADAPTERS
from outcrop.adapters.request_rules import FIELDS
from outcrop.catalogue.models import MAX_FILE_BYTES, add_file, load_catalogue, parse_catalogue
from outcrop.errors import SettingsError

HAIKU = "anthropic.claude-haiku-4-5-20251001-v1:0"
FAMILIES = {
    "anthropic", "llama3", "llama4", "mistral_text", "mistral_chat", "nova", "titan", "deepseek_text", "openai_chat",
    "writer", "cohere", "jamba",
}  # fmt: skip
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


def test_the_families_are_those_that_adapters_are_named_by() -> None:
    """
    Every family that an entry or a fallback names is one of a fixed set.
    """
    catalogue = load_catalogue()
    families = {entry.family for entry in catalogue.models.values()} | {row.family for row in catalogue.fallbacks}
    assert families == FAMILIES


def test_every_native_family_has_an_adapter() -> None:
    """
    What the table calls by its own body can be spoken to.
    """
    native = {entry.family for entry in load_catalogue().models.values() if entry.route == "native"}
    assert native == {"anthropic", "llama3", "llama4"}
    assert native <= ADAPTERS.keys()


def test_every_refusal_of_the_table_is_a_field_that_adapters_check() -> None:
    """
    A refusal that no adapter knows would silently refuse nothing.
    """
    named = {
        field
        for entry in load_catalogue().models.values()
        for row in (*entry.refuses, *entry.native_refuses)
        for field in row.split("+")
    }
    assert named <= FIELDS.keys()


def test_every_provider_has_a_fallback() -> None:
    """
    A model that a known provider offers tomorrow has a family.
    """
    catalogue = load_catalogue()
    assert all(catalogue.fallback_for(f"{segment}.new-9") for segment in catalogue.providers)


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
        ('lifecycle = "active"', 'lifecycle = "end_of_life"', "'end_of_life' without end_of_life_on"),
        ('title = "One"', 'title = "One"\nfeatures = ["telepathy"]', "telepathy"),
        ('title = "One"', 'title = "One"\nfeatures = ["tools", "tools"]', "a feature stands there twice"),
        ('title = "One"', 'title = "One"\nfeatures = ["prefill"]\nrefuses = ["prefill"]', "feature 'prefill' is among"),
        ('title = "One"', 'title = "One"\nroute = "by boat"', "route"),
        ('title = "One"', 'title = "One"\nsuccessor = "acme.two"', "successor 'acme.two' has no entry"),
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


@pytest.mark.parametrize(
    ("text", "complaint"),
    [
        ("[[models", "not TOML"),
        ("[colours]\na = 1", "'colours'"),
        ("[models]\na = 1", "'models' in the catalogue is not a list of tables"),
        ("models = [1]", "'models' in the catalogue is not a list of tables"),
    ],
)
def test_a_text_of_another_shape_is_refused(text: str, complaint: str) -> None:
    """
    What is not such a table at all is refused with the reason.
    """
    with pytest.raises(SettingsError, match=complaint):
        parse_catalogue(text)


def test_a_user_file_overrides_what_it_says(tmp_path: Path) -> None:
    """
    An entry for a known model needs only what differs; the rest stays, and the price says where it comes from.
    """
    path = write(
        tmp_path,
        """
price_source = "our contract"
[[models]]
base_id = "amazon.nova-pro-v1:0"
route = "native"
price = { input = 0.5, output = 2, priced_on = 2026-11-01 }
""",
    )
    before, after = (
        table.models["amazon.nova-pro-v1:0"] for table in (load_catalogue(), add_file(load_catalogue(), path))
    )
    assert (after.route, after.title, after.context_tokens) == ("native", before.title, before.context_tokens)
    assert after.price is not None
    assert (after.price.input, after.price.source) == (0.5, "our contract")


def test_a_user_file_adds_a_model_and_its_maker(tmp_path: Path) -> None:
    """
    A new model stands beside the packaged ones, behind its provider's, and the packaged prices keep their source.
    """
    table = add_file(load_catalogue(), write(tmp_path, ENTRY))
    assert list(table.models)[-1] == "acme.one-v1:0"
    assert table.own == {"acme.one-v1:0"}
    assert (len(table.models), table.price_source) == (len(load_catalogue().models) + 1, load_catalogue().price_source)
    row = table.fallback_for("acme.two")
    assert row is not None
    assert (row.family, row.route) == ("acme", "converse")


def test_a_users_price_holds_for_every_profile(tmp_path: Path) -> None:
    """
    Who states one price does not mean the packaged price of the geographic profiles beside it.
    """
    path = write(
        tmp_path,
        f'[[models]]\nbase_id = "{HAIKU}"\nprice = {{ input = 0.5, output = 2, priced_on = 2026-11-01 }}\n',
    )
    entry = add_file(load_catalogue(), path).models[HAIKU]
    for profile in ("us", "global", None):
        price = entry.price_through(profile)
        assert price is not None
        assert (price.input, price.source) == (0.5, f"the catalogue {str(path)!r}")


def test_a_user_file_can_change_a_price_only_together_with_its_day(tmp_path: Path) -> None:
    """
    A price without the day on which it was read is refused.
    """
    path = write(tmp_path, '[[models]]\nbase_id = "amazon.nova-pro-v1:0"\nprice = { input = 1, output = 2 }\n')
    with pytest.raises(SettingsError, match="priced_on"):
        add_file(load_catalogue(), path)


@pytest.mark.parametrize(
    ("text", "complaint"),
    [
        ("[[models]]\nbase_id = 'acme.one'\n", "entry 'acme.one' of 'models'"),
        ("[[models]]\nbase_id = 'amazon.nova-pro-v1:0'\ncontext_tokens = 'many'\n", "entry 'amazon.nova-pro-v1:0' of"),
        ("[[models]]\nbase_id = 'amazon.nova-pro-v1:0'\ncontext_tokens = 1\n", "max_output_tokens is 10000"),
        ("[[models]]\ntitle = 'One'\n", "entry 'number 1' of 'models'"),
        ("[[models]]\nbase_id = 1\n", "entry 1 of 'models'"),
        ("[[", "is not TOML"),
    ],
)
def test_a_wrong_user_file_is_named_with_its_entry(tmp_path: Path, text: str, complaint: str) -> None:
    """
    The message names the file, and the entry where there is one.
    """
    path = write(tmp_path, text)
    with pytest.raises(SettingsError) as caught:
        add_file(load_catalogue(), path)
    assert complaint in caught.value.message
    assert str(path) in caught.value.message


def test_a_user_file_that_can_not_be_read_is_named(tmp_path: Path) -> None:
    """
    A missing file, a folder, bytes that are no text, and a file beyond all measure are refused by name.
    """
    (tmp_path / "binary.toml").write_bytes(b"\xff\xfe")
    (tmp_path / "huge.toml").write_bytes(b"#" * (MAX_FILE_BYTES + 1))
    for name, complaint in (
        ("missing.toml", "No such file"), ("", "can't be read"), ("binary.toml", "not UTF-8"), ("huge.toml", "4 MiB"),
    ):  # fmt: skip
        with pytest.raises(SettingsError, match=complaint) as caught:
            add_file(load_catalogue(), tmp_path / name)
        assert str(tmp_path) in caught.value.message


def write(folder: Path, text: str) -> Path:
    """
    Write a user's own catalogue.
    """
    path = folder / "own.toml"
    path.write_text(text, encoding="utf-8")
    return path
