"""
Tests of `outcrop.emulator.control` over the wire.
"""

from typing import Any

import pytest


async def get(wire: Any, path: str) -> Any:
    """
    Return the JSON of a successful GET.
    """
    reply = await wire.request("GET", path)
    assert reply.status == 200, reply.body
    return reply.json()


async def test_models_say_how_they_can_be_called(wire: Any) -> None:
    """
    A profile-only model lacks ON_DEMAND; a model at its end is not listed.
    """
    summaries = {one["modelId"]: one for one in (await get(wire, "/foundation-models"))["modelSummaries"]}
    assert summaries["anthropic.claude-sonnet-4-6"]["inferenceTypesSupported"] == ["INFERENCE_PROFILE"]
    assert summaries["meta.llama3-70b-instruct-v1:0"]["inferenceTypesSupported"] == ["ON_DEMAND"]
    assert "anthropic.claude-3-haiku-20240307-v1:0" not in summaries


@pytest.mark.parametrize(
    ("query", "holds"),
    [
        ("byProvider=meta", lambda one: one["providerName"] == "Meta"),
        ("byInferenceType=ON_DEMAND", lambda one: "ON_DEMAND" in one["inferenceTypesSupported"]),
        ("byOutputModality=TEXT", lambda one: one["outputModalities"] == ["TEXT"]),
    ],
)
async def test_models_can_be_filtered(query: str, holds: Any, wire: Any) -> None:
    """
    A filter leaves what fits it, and something fits.
    """
    summaries = (await get(wire, f"/foundation-models?{query}"))["modelSummaries"]
    assert summaries
    assert all(holds(one) for one in summaries)


@pytest.mark.parametrize(
    "query", ["byOutputModality=EMBEDDING", "byCustomizationType=FINE_TUNING", "byProvider=nobody"]
)
async def test_a_filter_that_nothing_fits_leaves_nothing(query: str, wire: Any) -> None:
    """
    No model fits: an empty list, not an error.
    """
    assert (await get(wire, f"/foundation-models?{query}"))["modelSummaries"] == []


async def test_a_filter_of_unknown_value_is_refused(wire: Any) -> None:
    """
    A filter outside its enum is a ValidationException.
    """
    assert (await wire.request("GET", "/foundation-models?byInferenceType=FREE")).status == 400


async def test_one_model_can_be_read(wire: Any) -> None:
    """
    GetFoundationModel gives one model's details, by ID.
    """
    details = (await get(wire, "/foundation-models/anthropic.claude-sonnet-4-6"))["modelDetails"]
    assert (details["modelId"], details["modelLifecycle"]["status"]) == ("anthropic.claude-sonnet-4-6", "ACTIVE")


@pytest.mark.parametrize("path", ["/foundation-models/nobody", "/inference-profiles/nobody"])
async def test_what_is_not_there_is_not_found(path: str, wire: Any) -> None:
    """
    An unknown resource is a ResourceNotFoundException.
    """
    assert (await wire.request("GET", path)).status == 404


async def test_profiles_come_in_pages(wire: Any) -> None:
    """
    Pages put together are the whole list, without gap or repetition.
    """
    whole = (await get(wire, "/inference-profiles?maxResults=1000"))["inferenceProfileSummaries"]
    paged: list[Any] = []
    token: str | None = ""
    while token is not None:
        page = await get(wire, f"/inference-profiles?maxResults=7{token and f'&nextToken={token}'}")
        paged += page["inferenceProfileSummaries"]
        token = page.get("nextToken")
    assert paged == whole


async def test_profiles_are_those_of_the_region(start_emulator: Any) -> None:
    """
    A region has its own geography's profiles and the global ones.
    """
    wire = await start_emulator(region="eu-west-1")
    profiles = (await get(wire, "/inference-profiles?type=SYSTEM_DEFINED&maxResults=1000"))["inferenceProfileSummaries"]
    assert {one["inferenceProfileId"].partition(".")[0] for one in profiles} == {"eu", "global"}


async def test_an_application_profile_tells_its_model(wire: Any) -> None:
    """
    GetInferenceProfile resolves an opaque ID, also by its ARN.
    """
    arn = "arn%3Aaws%3Abedrock%3Aus-east-1%3A123456789012%3Aapplication-inference-profile%2Femulatedclau"
    profile = await get(wire, f"/inference-profiles/{arn}")
    assert profile["models"] == [
        {"modelArn": "arn:aws:bedrock:us-east-1::foundation-model/anthropic.claude-sonnet-4-6"}
    ]


@pytest.mark.parametrize("query", ["maxResults=0", "maxResults=1001", "maxResults=x", "nextToken=x", "nextToken=eDo1"])
async def test_bad_pages_are_refused(query: str, wire: Any) -> None:
    """
    A page's size and token are checked.
    """
    assert (await wire.request("GET", f"/inference-profiles?{query}")).status == 400
