"""
A model's name finds what it stands for, or is refused with words that help.
"""

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from outcrop.catalogue.models import load_catalogue
from outcrop.catalogue.resolve import DEFAULT_SHORT_NAMES, MAX_NAME_LENGTH, list_models, resolve
from outcrop.errors import UnknownModel

HAIKU = "anthropic.claude-haiku-4-5-20251001-v1:0"
LLAMA = "meta.llama3-70b-instruct-v1:0"
LLAMA33 = "meta.llama3-3-70b-instruct-v1:0"
APPLICATION_PROFILE = "arn:aws:bedrock:us-east-1:123456789012:application-inference-profile/a1b2c3d4e5f6"
IMPORTED = "arn:aws:bedrock:us-east-1:123456789012:imported-model/a1b2c3d4e5f6"
REGIONS = [
    "us-east-1", "us-west-2", "us-gov-west-1", "ca-central-1", "sa-east-1", "eu-west-1", "eu-central-1",
    "ap-northeast-1", "ap-southeast-2", "ap-south-1", "me-central-1", None,
]  # fmt: skip
OPAQUE_ARNS = [
    APPLICATION_PROFILE,
    "arn:aws:bedrock:us-east-1:123456789012:provisioned-model/a1b2c3d4e5f6",
    "arn:aws:bedrock:us-east-1:123456789012:custom-model/meta.llama3-8b/a1b2c3d4e5f6",
    "arn:aws:bedrock:us-east-1:123456789012:custom-model-deployment/a1b2c3d4e5f6",
    IMPORTED,
    "arn:aws:bedrock:us-east-1:123456789012:default-prompt-router/meta.llama:1",
    "arn:aws:bedrock:us-east-1:123456789012:prompt/ABCDEFGHIJ:2",
    "arn:aws:sagemaker:us-east-1:123456789012:endpoint/my-llama",
]


def test_the_short_name_llama3_is_the_llama_of_the_tutorials() -> None:
    """
    `llama3` stands for Llama 3 70B, with its limits and what it refuses.
    """
    model = resolve("llama3")
    assert (model.name, model.model_id, model.base_id, model.family) == ("llama3", LLAMA, LLAMA, "llama3")
    assert (model.max_output_tokens, model.context_tokens) == (2048, 8192)
    assert model.route == "native"
    assert model.refuses == {"images", "documents", "tools", "reasoning", "effort"}


@pytest.mark.parametrize(
    ("region", "prefix"),
    [
        (None, "us"),
        ("us-east-1", "us"),
        ("us-west-2", "us"),
        ("eu-west-1", "eu"),
        ("ap-northeast-1", "jp"),
        ("ap-southeast-2", "au"),
        ("ap-south-1", "apac"),
        ("ap-southeast-1", "apac"),
        ("ca-central-1", "global"),
        ("sa-east-1", "global"),
        ("me-central-1", "global"),
    ],
)
def test_the_short_name_anthropic_takes_the_profile_of_the_region(region: str | None, prefix: str) -> None:
    """
    Claude Haiku 4.5 can be called through a profile only; the region says through which.
    """
    assert resolve("anthropic", region=region).model_id == f"{prefix}.{HAIKU}"


def test_the_base_id_survives_the_profile() -> None:
    """
    Whatever profile is taken, `base_id` is the catalogue's key.
    """
    assert resolve("anthropic", region="eu-west-1").base_id == HAIKU


def test_a_region_without_the_narrow_profile_takes_the_wider_one() -> None:
    """
    A model with `us`, `eu` and `global` goes through `global.` in Tokyo.
    """
    base_id = "anthropic.claude-opus-4-5-20251101-v1:0"
    assert resolve(base_id, region="ap-northeast-1").model_id == f"global.{base_id}"


def test_a_profile_only_model_without_a_profile_for_the_region_stays_as_written() -> None:
    """
    No other region's profile is guessed: the base ID goes out, and Bedrock says no.
    """
    assert resolve(LLAMA33, region="eu-west-1").model_id == LLAMA33


def test_govcloud_never_leaves_for_the_global_profile() -> None:
    """
    In GovCloud only a `us-gov.` profile is taken.
    """
    assert resolve("anthropic.claude-opus-5", region="us-gov-west-1").model_id == "us-gov.anthropic.claude-opus-5"
    assert resolve(HAIKU, region="us-gov-west-1").model_id == HAIKU


def test_a_model_that_is_on_demand_in_one_region_is_called_bare_there() -> None:
    """
    Llama 3.1 is on demand in us-west-2 and behind a profile elsewhere.
    """
    base_id = "meta.llama3-1-8b-instruct-v1:0"
    found = [resolve(base_id, region=region).model_id for region in ("us-west-2", "us-east-1")]
    assert found == [base_id, f"us.{base_id}"]


@pytest.mark.parametrize("label", ["us", "eu", "apac", "jp", "us-gov", "global", "ca", "sa", "mx"])
def test_a_profile_id_goes_out_as_written(label: str) -> None:
    """
    Any label before a known provider is a profile's prefix, also one that nobody has seen yet, in every region.
    """
    model = resolve(f"{label}.{HAIKU}", region="ap-northeast-1")
    assert (model.model_id, model.base_id, model.max_output_tokens) == (f"{label}.{HAIKU}", HAIKU, 64_000)


@pytest.mark.parametrize(
    ("arn", "base_id"),
    [
        (f"arn:aws:bedrock:us-east-1::foundation-model/{LLAMA}", LLAMA),
        (f"arn:aws:bedrock:eu-west-1:123456789012:inference-profile/eu.{HAIKU}", HAIKU),
        (f"arn:aws-us-gov:bedrock:us-gov-west-1:123456789012:inference-profile/us-gov.{HAIKU}", HAIKU),
    ],
)
def test_an_arn_that_carries_the_id_goes_out_as_written(arn: str, base_id: str) -> None:
    """
    The ARN is what Bedrock gets; the base ID in it gives family and limits.
    """
    model = resolve(arn)
    assert (model.model_id, model.base_id) == (arn, base_id)
    assert model.max_output_tokens is not None


@pytest.mark.parametrize("arn", [arn for arn in OPAQUE_ARNS if arn != IMPORTED])
def test_an_opaque_arn_goes_by_converse(arn: str) -> None:
    """
    Converse needs no family, so an ARN that hides its model works as it is, with nothing known.
    """
    model = resolve(arn, region="eu-west-1")
    assert (model.model_id, model.base_id, model.family, model.route) == (arn, arn, "unknown", "converse")
    assert (model.max_output_tokens, model.refuses) == (None, frozenset())


def test_an_imported_model_asks_for_a_short_name() -> None:
    """
    Converse does not accept imported models: the refusal says so, and how to name the family.
    """
    with pytest.raises(UnknownModel, match=r"converse does not accept: add a short name for it with its family"):
        resolve(IMPORTED)


@pytest.mark.parametrize("arn", OPAQUE_ARNS)
def test_a_short_name_gives_an_opaque_arn_its_family(arn: str) -> None:
    """
    A short name's value may say the family; then the ARN works by that name, and written out, by the native body.
    """
    short_names = {"ours": f"llama3={arn}"}
    by_name, by_arn = (resolve(name, short_names=short_names) for name in ("ours", arn))
    assert (by_name.model_id, by_name.base_id, by_name.family) == (arn, arn, "llama3")
    assert (by_arn.model_id, by_arn.family, by_arn.name) == (arn, "llama3", arn)
    assert by_name.route == by_arn.route == "native"


def test_a_client_can_not_choose_the_family() -> None:
    """
    `family=` is for settings; in a client's name it is no name at all.
    """
    with pytest.raises(UnknownModel, match="is not a name"):
        resolve(f"llama3={APPLICATION_PROFILE}")


@pytest.mark.parametrize(
    ("name", "base_id", "family"),
    [
        ("anthropic.claude-9-epic", "anthropic.claude-9-epic", "anthropic"),
        ("eu.anthropic.claude-9-epic-v2:0", "anthropic.claude-9-epic-v2:0", "anthropic"),
        ("meta.llama3-9-1b-instruct-v1:0", "meta.llama3-9-1b-instruct-v1:0", "llama3"),
        ("meta.llama4-9t", "meta.llama4-9t", "llama4"),
        ("amazon.titan-text-9", "amazon.titan-text-9", "titan"),
        ("apac.amazon.nova-9-v1:0", "amazon.nova-9-v1:0", "nova"),
        ("mistral.mixtral-9x9b-v1:0", "mistral.mixtral-9x9b-v1:0", "mistral_text"),
        ("deepseek.r9-v1:0", "deepseek.r9-v1:0", "deepseek_text"),
        ("deepseek.v9", "deepseek.v9", "openai_chat"),
        ("global.openai.gpt-9", "openai.gpt-9", "openai_chat"),
        ("writer.palmyra-x9", "writer.palmyra-x9", "writer"),
    ],
)
def test_a_model_of_tomorrow_works_by_name(name: str, base_id: str, family: str) -> None:
    """
    What the table lacks takes its provider's family, with unknown limits and nothing refused.
    """
    model = resolve(name)
    assert (model.model_id, model.base_id, model.family) == (name, base_id, family)
    assert (model.max_output_tokens, model.context_tokens, model.refuses) == (None, None, frozenset())
    assert model.route == ("native" if family in {"anthropic", "llama3", "llama4"} else "converse")


def test_a_llama_of_an_unknown_generation_goes_by_converse() -> None:
    """
    Which template it would want is not known, and Converse knows.
    """
    assert resolve("meta.llama9-1t").route == "converse"


@pytest.mark.parametrize("base_id", load_catalogue().models)
def test_every_model_resolves_in_every_region(base_id: str) -> None:
    """
    Bare where it is on demand, through one of its own profiles elsewhere, and as written where there is none.
    """
    entry = load_catalogue().models[base_id]
    for region in REGIONS:
        model = resolve(base_id, region=region)
        possible = {base_id} if entry.on_demand else {base_id, *(f"{prefix}.{base_id}" for prefix in entry.profiles)}
        assert model.model_id in possible
        assert (model.base_id, model.family, model.route) == (base_id, entry.family, entry.route)
        assert (model.context_tokens, model.max_output_tokens) == (entry.context_tokens, entry.max_output_tokens)


def test_a_provider_without_a_fallback_knows_only_its_entries() -> None:
    """
    Where the table gives no family for the unknown, the unknown is refused.
    """
    catalogue = msgspec.structs.replace(load_catalogue(), fallbacks=())
    assert resolve(LLAMA, catalogue=catalogue).family == "llama3"
    with pytest.raises(UnknownModel, match="is unknown"):
        resolve("meta.llama9-1t", catalogue=catalogue)


def test_a_model_at_the_end_of_its_life_still_resolves() -> None:
    """
    Bedrock has the last word on a model that the table takes for dead.
    """
    assert resolve("anthropic.claude-3-haiku-20240307-v1:0").model_id == "anthropic.claude-3-haiku-20240307-v1:0"


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("antropic", "did you mean 'anthropic'"),
        ("meta-llama3-70b-instruct", "did you mean 'meta.llama3-70b-instruct-v1:0'"),
        ("zzz", "expected one of 'llama3', 'anthropic'"),
        ("acme.one-v1:0 ", "is not a name"),
        ("acme.qqqq-9", "or an id or arn of 'ai21', 'amazon', 'anthropic'"),
        ("gpt-oss", "did you mean 'openai.gpt-oss-120b-1:0' or 'openai.gpt-oss-20b-1:0'"),
        ("Haiku", "did you mean 'anthropic.claude-haiku-4-5-20251001-v1:0' or 'anthropic.claude-haiku-5-5'"),
        ("nova-pr", "did you mean 'amazon.nova-pro-v1:0'"),
        ("Anthropic", "is unknown"),
        ("anthropic.", "is unknown"),
        (".anthropic.claude", "is not a name"),
        ("us.eu.anthropic.claude-9", "is unknown"),
        ("anthropic.claude-9/../x", "is unknown"),
        ("arn:aws:iam::123456789012:role/x", "is not the ARN"),
        ("arn:aws:bedrock:us-east-1:123456789012:foundation-model/meta.llama3-70b-instruct-v1:0", "is not the ARN"),
        ("arn:aws:bedrock:us-east-1:12345:application-inference-profile/a", "is not the ARN"),
        ("arn:aws:bedrock:us-east-1::foundation-model/acme.x-1", "is not the ARN"),
        ("arn:aws:bedrock:us-east-1:123456789012:imported-model/a1b2c3d4e5f6/x", "is not the ARN"),
    ],
)
def test_what_stands_for_nothing_is_refused_with_help(name: str, words: str) -> None:
    """
    An unknown name is refused with the nearest names, or with what is expected.
    """
    with pytest.raises(UnknownModel) as caught:
        resolve(name)
    assert words in str(caught.value)


@pytest.mark.parametrize(
    "name", ["", " ", "llama3 ", "llama3\n", "meta.llama3\r\nx: y", "meta.\x00", "méta.llama3", "a%2Fb", "x" * 2049]
)
def test_a_name_with_foreign_characters_is_refused_and_not_echoed_raw(name: str) -> None:
    """
    White space, control characters and other scripts are refused; the message shows them escaped and cut.
    """
    with pytest.raises(UnknownModel, match="is not a name") as caught:
        resolve(name)
    message = str(caught.value)
    assert message.isprintable()
    assert len(message) < 250


@given(st.text(max_size=40))
@settings(deadline=None, max_examples=200)
def test_any_name_resolves_or_is_refused(name: str) -> None:
    """
    No name raises anything but `UnknownModel`, and the message never holds a control character.
    """
    try:
        said = resolve(name).name
    except UnknownModel as refusal:
        said = refusal.message
    assert said.isprintable()
    assert said == name or "model" in said


def test_the_longest_name_is_refused_quickly_and_shortly() -> None:
    """
    A name at the bound is compared by its beginning only, and shown by its beginning only.
    """
    with pytest.raises(UnknownModel) as caught:
        resolve("anthropi" * (MAX_NAME_LENGTH // 8))
    assert len(str(caught.value)) < 400


@pytest.mark.parametrize(
    ("value", "words"),
    [
        ("acme.x", "model 'ours' stands for 'acme.x', which is unknown"),
        (IMPORTED, "add a short name"),
        ("llama3=not a model", "stands for 'not a model'"),
        ("llama3=", "stands for ''"),
    ],
)
def test_a_short_name_with_a_wrong_value_says_so(value: str, words: str) -> None:
    """
    A short name that leads nowhere is refused by both its names.
    """
    with pytest.raises(UnknownModel) as caught:
        resolve("ours", short_names={"ours": value})
    assert words in str(caught.value)


def test_a_short_name_with_a_profile_id_is_not_rewritten_for_the_region() -> None:
    """
    What the settings say is sent, whatever the region.
    """
    model = resolve("claude", short_names={"claude": f"us.{HAIKU}"}, region="eu-west-1")
    assert model.model_id == f"us.{HAIKU}"


def test_short_names_replace_the_defaults() -> None:
    """
    The settings' short names are the only ones.
    """
    with pytest.raises(UnknownModel):
        resolve("llama3", short_names={"claude": HAIKU})


def test_the_menu_has_the_short_names_first() -> None:
    """
    The menu begins with the short names in their own order, then come the base IDs in the table's order.
    """
    listed = list_models(region="us-east-1")
    names = [line.name for line in listed]
    assert names[:2] == list(DEFAULT_SHORT_NAMES)
    base_ids = [name for name in load_catalogue().models if name in names]
    assert names[2:] == base_ids
    assert (listed[1].model_id, listed[1].title, listed[1].family) == (f"us.{HAIKU}", "Claude Haiku 4.5", "anthropic")


def test_the_menu_leaves_out_what_can_not_be_called() -> None:
    """
    Models past their end of life are not in the menu, nor those without a profile for the region.
    """
    names = {line.name for line in list_models(region="eu-west-1")}
    assert "anthropic.claude-3-haiku-20240307-v1:0" not in names
    assert LLAMA33 not in names
    assert LLAMA in names


def test_every_line_of_the_menu_resolves_to_what_it_says() -> None:
    """
    A name from the menu resolves to the model that the menu shows.
    """
    for line in list_models(region="ap-southeast-2"):
        model = resolve(line.name, region="ap-southeast-2")
        assert (model.model_id, model.family) == (line.model_id, line.family)


def test_an_opaque_short_name_is_listed_under_its_arn() -> None:
    """
    A short name for something that the table lacks has no better title than what it stands for.
    """
    (line, *_) = list_models(short_names={"ours": f"anthropic={APPLICATION_PROFILE}"})
    assert (line.name, line.title, line.model_id) == ("ours", APPLICATION_PROFILE, APPLICATION_PROFILE)
