"""
What the control plane says of a region changes the table as it should, whatever the control plane says.
"""

from datetime import UTC, date, datetime
from typing import Any

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from outcrop.catalogue.models import Catalogue, load_catalogue, parse_catalogue
from outcrop.catalogue.refusals import find_refusals
from outcrop.catalogue.resolve import list_models, resolve
from outcrop.catalogue.snapshot import make_snapshot, merge_snapshot
from outcrop.errors import UnknownModel

NOW = datetime(2026, 11, 21, 12, tzinfo=UTC)
NOVA = "amazon.nova-pro-v1:0"
LLAMA = "meta.llama3-3-70b-instruct-v1:0"


def summary(base_id: str, *, types: tuple[str, ...] = ("ON_DEMAND",), **fields: Any) -> dict[str, Any]:
    """
    Make a summary as ListFoundationModels gives it.
    """
    return {
        "modelId": base_id,
        "modelName": f"The {base_id}",
        "providerName": "Maker",
        "inputModalities": ["TEXT"],
        "outputModalities": ["TEXT"],
        "responseStreamingSupported": True,
        "inferenceTypesSupported": list(types),
        "modelLifecycle": {"status": "ACTIVE"},
        **fields,
    }


def profile(profile_id: str, **fields: Any) -> dict[str, Any]:
    """
    Make a summary as ListInferenceProfiles gives it.
    """
    return {"inferenceProfileId": profile_id, "type": "SYSTEM_DEFINED", "status": "ACTIVE", **fields}


def merge(*models: dict[str, Any], profiles: list[dict[str, Any]] | None = None) -> Catalogue:
    """
    Merge what the control plane gave into the packaged table.
    """
    return merge_snapshot(load_catalogue(), make_snapshot("eu-west-1", "https://x", NOW, models, profiles))


def test_a_known_model_is_called_as_the_region_has_it() -> None:
    """
    On demand or through which profile is the region's word; limits and prices stay the table's.
    """
    table = merge(
        summary(LLAMA, types=("INFERENCE_PROFILE",)),
        summary(NOVA, types=("INFERENCE_PROFILE",)),
        profiles=[profile(f"eu.{LLAMA}"), profile(f"global.{NOVA}")],
    )
    assert resolve(LLAMA, region="eu-west-1").model_id == LLAMA
    assert resolve(LLAMA, region="eu-west-1", catalogue=table).model_id == f"eu.{LLAMA}"
    assert resolve(NOVA, region="eu-west-1", catalogue=table).model_id == f"global.{NOVA}"
    assert table.models[NOVA].price == load_catalogue().models[NOVA].price
    assert table.refreshed_at == NOW


def test_a_model_that_the_region_lacks_is_not_in_the_menu_and_still_resolves() -> None:
    """
    Bedrock has the last word on a model that its list does not name.
    """
    table = merge(summary(NOVA), profiles=[])
    names = {line.name for line in list_models(region="eu-west-1", catalogue=table, short_names={})}
    assert names == {NOVA}
    assert resolve(LLAMA, region="eu-west-1", catalogue=table).model_id == LLAMA


def test_a_profile_alone_keeps_a_model_in_the_menu() -> None:
    """
    A region that has a model through a profile only need not name it among its own models.
    """
    table = merge(summary(NOVA), profiles=[profile(f"global.{LLAMA}")])
    assert LLAMA in {line.name for line in list_models(region="eu-west-1", catalogue=table, short_names={})}


def test_without_a_list_of_profiles_the_table_keeps_its_own() -> None:
    """
    Where profiles may not be listed, those of the table hold.
    """
    table = merge(summary(NOVA), profiles=None)
    assert table.models[NOVA].profiles == load_catalogue().models[NOVA].profiles


def test_the_lifecycle_is_the_regions() -> None:
    """
    A model that has become legacy says so, with the dates that Bedrock gives, as text or as botocore parses them.
    """
    lifecycle = {
        "status": "LEGACY",
        "legacyTime": "2026-10-01T00:00:00Z",
        "endOfLifeTime": datetime(2027, 5, 1, tzinfo=UTC),
    }
    entry = merge(summary(NOVA, modelLifecycle=lifecycle)).models[NOVA]
    assert (entry.lifecycle, entry.legacy_on, entry.end_of_life_on) == ("legacy", date(2026, 10, 1), date(2027, 5, 1))


def test_images_that_the_table_does_not_know_of_are_learned() -> None:
    """
    A known model that takes images in the region is no longer said to refuse them; nothing is taken away.
    """
    table = merge(summary("xai.grok-4.7", inputModalities=["TEXT", "IMAGE"]), summary(NOVA))
    assert "images" not in find_refusals(table.models["xai.grok-4.7"], "converse")
    assert table.models[NOVA].input_modalities == ("text", "image", "document")


def test_an_unknown_model_is_added_by_converse() -> None:
    """
    What the table lacks is listed and resolves, through its profile, with what is known of it.
    """
    table = merge(
        summary("qwen.qwen9", types=("INFERENCE_PROFILE",), responseStreamingSupported=False),
        profiles=[profile("eu.qwen.qwen9"), profile("global.qwen.qwen9")],
    )
    model = resolve("qwen.qwen9", region="eu-west-1", catalogue=table)
    assert (model.model_id, model.family, model.route) == ("eu.qwen.qwen9", "openai_chat", "converse")
    assert model.refuses == {"images", "streaming"}
    (line,) = list_models(region="eu-west-1", catalogue=table, short_names={})
    assert (line.title, line.provider, line.features, line.context_tokens) == ("The qwen.qwen9", "Qwen", None, None)


def test_an_unknown_maker_is_added_with_its_models() -> None:
    """
    The model of a maker that nobody knew works by its ID and by its profile's.
    """
    table = merge(summary("acme.one-v1:0"), profiles=[profile("us.acme.one-v1:0")])
    for name in ("acme.one-v1:0", "us.acme.one-v1:0"):
        model = resolve(name, catalogue=table)
        assert (model.model_id, model.base_id, model.family, model.route) == (
            name,
            "acme.one-v1:0",
            "unknown",
            "converse",
        )
    with pytest.raises(UnknownModel, match="is unknown"):
        resolve("acme.two", catalogue=table)
    assert table.providers["acme"].title == "Maker"


def test_a_users_own_entry_is_not_touched() -> None:
    """
    What the user's file says of a model is stronger than what the region says.
    """
    own = parse_catalogue(f'[[models]]\nbase_id = "{NOVA}"\non_demand = true\n', base=load_catalogue())
    table = merge_snapshot(own, make_snapshot("eu-west-1", "https://x", NOW, [summary(LLAMA)], []))
    assert table.models[NOVA] is own.models[NOVA]


@pytest.mark.parametrize(
    "fields",
    [
        {"outputModalities": ["EMBEDDING"]},
        {"inputModalities": ["IMAGE"]},
        {"inferenceTypesSupported": ["PROVISIONED"]},
        {"inferenceTypesSupported": None},
        {"modelId": "no-provider"},
        {"modelId": "acme.one/../two"},
        {"modelId": None},
    ],
)
def test_what_is_no_text_model_to_call_is_left_out(fields: dict[str, Any]) -> None:
    """
    Embeddings, models for provisioned throughput only, and IDs of another shape are no entries.
    """
    assert make_snapshot("eu-west-1", "https://x", NOW, [summary("acme.one") | fields], None).models == ()


@pytest.mark.parametrize(
    "broken",
    [
        profile("acme"),
        profile(""),
        profile("eu.acme.one", type="APPLICATION"),
        profile("eu.acme.one", status="RETIRED"),
        profile("E U.acme.one"),
        {},
    ],
)
def test_what_is_no_system_profile_is_left_out(broken: dict[str, Any]) -> None:
    """
    Application profiles and IDs of another shape say nothing of how a model is called by its name.
    """
    assert make_snapshot("eu-west-1", "https://x", NOW, [], [broken]).profiles == {}


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=10),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=5,
)


@given(st.dictionaries(st.sampled_from([*summary("a.b")]), json_values))
@settings(deadline=None, max_examples=200)
def test_no_summary_breaks_the_reader(fields: dict[str, Any]) -> None:
    """
    Fields of any JSON type are read or left out, and the merged table can be listed.
    """
    table = merge(summary("acme.one") | fields, profiles=[profile("eu.acme.one") | fields])
    assert list_models(region="eu-west-1", catalogue=table, short_names={}) is not None


def test_a_title_is_shown_on_one_line() -> None:
    """
    Control characters of a model's name are no part of a table.
    """
    (model,) = make_snapshot("x", "https://x", NOW, [summary("acme.one", modelName="O\x1b[2Jne\n")], None).models
    assert model.title == "O[2Jne"


def test_the_packaged_table_is_not_changed_by_a_merge() -> None:
    """
    A merge makes a new table.
    """
    before = msgspec.json.encode(load_catalogue())
    merge(summary("acme.one"), profiles=[])
    assert msgspec.json.encode(load_catalogue()) == before
