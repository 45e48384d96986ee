"""
Lists of models and inference profiles, held against botocore's service model of the control plane.
"""

import json
from typing import Any

import pytest

from outcrop.dialects.bedrock.models import (
    ListedModel,
    ListedProfile,
    encode_model,
    encode_models,
    encode_profile,
    encode_profiles,
)
from tests.emulator.referee import Referee, operation_model

MODEL = ListedModel(
    model_id="meta.llama3-70b-instruct-v1:0", name="Llama 3 70B Instruct", provider="Meta", status="LEGACY"
)
PROFILE = ListedProfile(
    profile_id="us.meta.llama3-70b-instruct-v1:0", name="US Llama 3", model_ids=(MODEL.model_id,), description="x"
)


@pytest.mark.parametrize(
    ("operation", "body"),
    [
        ("ListFoundationModels", encode_models([MODEL], region="us-east-1")),
        ("GetFoundationModel", encode_model(MODEL, region="us-east-1")),
        ("ListInferenceProfiles", encode_profiles([PROFILE], region="us-east-1", account="0" * 12, next_token="n")),
        ("GetInferenceProfile", encode_profile(PROFILE, region="us-east-1", account="0" * 12)),
    ],
)
def test_a_list_fits_the_service_model(operation: str, body: bytes) -> None:
    """
    Each answer has the members that botocore knows, with all that are required.
    """
    referee = Referee()
    referee.judge(json.loads(body), operation_model(operation).output_shape, ())
    assert referee.complaints == []


def test_arns_name_the_region() -> None:
    """
    A model's ARN has no account, a profile's has one.
    """
    summary: Any = json.loads(encode_models([MODEL], region="eu-west-1"))["modelSummaries"][0]
    assert summary["modelArn"] == "arn:aws:bedrock:eu-west-1::foundation-model/meta.llama3-70b-instruct-v1:0"
    profile = json.loads(encode_profile(PROFILE, region="eu-west-1", account="123456789012"))
    assert profile["inferenceProfileArn"].startswith("arn:aws:bedrock:eu-west-1:123456789012:inference-profile/us.")
