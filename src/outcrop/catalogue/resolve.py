"""
Find what a client's model name stands for: a short name, a base ID, an inference profile or an ARN.

Pure look-up in the table, the settings' short names and the region; Bedrock has the last word on what an account may
call. Whether an ARN's region or account is ours is not decided here. Authorisation looks at the result's `base_id`,
never at the client's spelling.
"""

import re
from collections.abc import Mapping
from difflib import get_close_matches

import msgspec

from outcrop.catalogue.models import Catalogue, ModelEntry, load_catalogue
from outcrop.errors import UnknownModel
from outcrop.types import ResolvedModel

DEFAULT_SHORT_NAMES: Mapping[str, str] = {
    "llama3": "meta.llama3-70b-instruct-v1:0",
    "anthropic": "anthropic.claude-haiku-4-5-20251001-v1:0",
}
"""
The short names that hold where the settings say nothing else.

A value is a base ID, a profile ID or an ARN, or `family=` and one of them. Claude Haiku 4.5 can be called through a
profile only, so its base ID becomes `us.anthropic…`, `eu.anthropic…`, … as the region asks.
"""

MAX_NAME_LENGTH = 2048

_PROFILES_BY_REGION: tuple[tuple[str, tuple[str, ...]], ...] = (
    ("us-gov-", ("us-gov",)),
    ("us-", ("us", "global")),
    ("eu-", ("eu", "global")),
    ("ap-northeast-1", ("jp", "apac", "global")),
    ("ap-northeast-3", ("jp", "apac", "global")),
    ("ap-southeast-2", ("au", "apac", "global")),
    ("ap-southeast-4", ("au", "apac", "global")),
    ("ap-south-", ("in", "apac", "global")),
    ("ap-", ("apac", "global")),
    ("ca-", ("ca", "global")),
    ("sa-", ("sa", "global")),
    ("", ("global",)),
)
_REGION_WHERE_NONE_IS_SET = "us-east-1"

_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._:/-]*")
_MODEL_ID = re.compile(r"(?P<first>[a-z0-9-]{1,63})\.(?P<rest>[a-z0-9-]{1,63}(?:[.:][a-z0-9-]{1,63}){0,4})")
_BEDROCK_ARN = r"arn:aws(?:-[a-z-]{1,20})?:bedrock:[a-z0-9-]{1,20}"
_TELLING_ARN = re.compile(
    _BEDROCK_ARN + r":(?::foundation-model|[0-9]{12}:inference-profile)/(?P<model_id>[a-z0-9.:-]{3,256})"
)
_OPAQUE_ARN = re.compile(
    _BEDROCK_ARN
    + r":[0-9]{12}:(?:application-inference-profile/[A-Za-z0-9.:-]{1,256}"
    + r"|custom-model/[a-z0-9-]{1,63}\.[a-z0-9-]{1,63}(?:[.:][a-z0-9-]{1,63}){0,2}/[a-z0-9]{12}"
    + r"|(?:imported-model|provisioned-model|custom-model-deployment)/[a-z0-9]{12}"
    + r"|(?:default-)?prompt-router/[A-Za-z0-9.:-]{1,256}"
    + r"|prompt/[A-Za-z0-9]{10}(?::[0-9]{1,5})?)"
    + r"|arn:aws(?:-[a-z-]{1,20})?:sagemaker:[a-z0-9-]{1,20}:[0-9]{12}:endpoint/[A-Za-z0-9-]{1,63}"
)


class ListedModel(msgspec.Struct, frozen=True, kw_only=True):
    """
    Hold one line of a model menu: what to write as `model`, and what it stands for.
    """

    name: str
    model_id: str
    title: str
    family: str


def resolve(
    name: str,
    *,
    short_names: Mapping[str, str] = DEFAULT_SHORT_NAMES,
    region: str | None = None,
    catalogue: Catalogue | None = None,
) -> ResolvedModel:
    """
    Return what `name` stands for.

    A profile ID or an ARN goes to Bedrock as written. So does a base ID, unless the model can be called through a
    profile only: then the profile that keeps closest to the region is taken (in Tokyo `jp.`, then `apac.`, then
    `global.`); where the model has none for the region, the base ID stays and Bedrock says no. A model that the
    catalogue lacks takes its provider's family and has unknown limits. `region` None counts as us-east-1.

    Raises:
        UnknownModel: the name stands for nothing, or for something that hides its model.
    """
    table = load_catalogue() if catalogue is None else catalogue
    where = region or _REGION_WHERE_NONE_IS_SET
    _check_spelling(name)
    target = short_names.get(name)
    if target is None:
        target = next((value for value in short_names.values() if _without_family(value) == name), name)
    family, found = _split_family(target)
    resolved = _resolve_target(name, found, family, where, table)
    if resolved is None:
        raise UnknownModel(_explain_unknown(name, found, short_names, table))
    return resolved


def list_models(
    *,
    short_names: Mapping[str, str] = DEFAULT_SHORT_NAMES,
    region: str | None = None,
    catalogue: Catalogue | None = None,
) -> tuple[ListedModel, ...]:
    """
    List the models for a menu: the short names first, in their own order, then the catalogue's entries in its order.

    Models at the end of their life are left out, and so are those that no profile brings to the region; both still
    resolve by name.

    Raises:
        UnknownModel: a short name stands for nothing.
    """
    table = load_catalogue() if catalogue is None else catalogue
    where = region or _REGION_WHERE_NONE_IS_SET
    callable_ids = [
        entry.base_id
        for entry in table.models.values()
        if entry.lifecycle != "end_of_life" and _callable_id(entry, where) is not None
    ]
    listed = []
    for name in (*short_names, *callable_ids):
        found = resolve(name, short_names=short_names, region=region, catalogue=table)
        entry = table.models.get(found.base_id)
        title = found.base_id if entry is None else entry.title
        listed.append(ListedModel(name=name, model_id=found.model_id, title=title, family=found.family))
    return tuple(listed)


def _check_spelling(name: str) -> None:
    if not 0 < len(name) <= MAX_NAME_LENGTH or _NAME.fullmatch(name) is None:
        raise UnknownModel(
            f"model {_quote(name)} is not a name: expected 1 to {MAX_NAME_LENGTH} letters, digits and '._:/-'"
        )


def _split_family(target: str) -> tuple[str | None, str]:
    family, equals, found = target.partition("=")
    return (family, found) if equals else (None, target)


def _without_family(target: str) -> str:
    return _split_family(target)[1]


def _resolve_target(
    name: str, target: str, family: str | None, region: str, catalogue: Catalogue
) -> ResolvedModel | None:
    arn = _TELLING_ARN.fullmatch(target)
    base_id = _find_base_id(target if arn is None else arn["model_id"], catalogue)
    entry = None if base_id is None else catalogue.models.get(base_id)
    if base_id is None:
        if family is None or not (arn or _OPAQUE_ARN.fullmatch(target) or _MODEL_ID.fullmatch(target)):
            return None
        base_id = target
    found_family = family or (catalogue.fallback_family(base_id) if entry is None else entry.family)
    if found_family is None:
        return None
    if entry is None:
        return ResolvedModel(name=name, model_id=target, base_id=base_id, family=found_family)
    return ResolvedModel(
        name=name,
        model_id=(_callable_id(entry, region) or target) if target == base_id else target,
        base_id=base_id,
        family=found_family,
        max_output_tokens=entry.max_output_tokens,
        context_tokens=entry.context_tokens,
        refuses=_refusals(entry),
    )


def _find_base_id(model_id: str, catalogue: Catalogue) -> str | None:
    """
    Return the base ID in a model ID: any one label before a known provider's segment is a profile's prefix.
    """
    match = _MODEL_ID.fullmatch(model_id)
    if match is None:
        return None
    if match["first"] in catalogue.providers:
        return model_id
    provider, dot, _ = match["rest"].partition(".")
    return match["rest"] if dot and provider in catalogue.providers else None


def _callable_id(entry: ModelEntry, region: str) -> str | None:
    """
    Return the ID under which the model can be called in the region, or None where the table offers none.
    """
    if entry.on_demand or region in entry.on_demand_regions:
        return entry.base_id
    prefixes = next(prefixes for start, prefixes in _PROFILES_BY_REGION if region.startswith(start))
    offered = next((prefix for prefix in prefixes if prefix in entry.profiles), None)
    return None if offered is None else f"{offered}.{entry.base_id}"


def _refusals(entry: ModelEntry) -> frozenset[str]:
    missing = {"images": "image", "documents": "document"}
    return frozenset(entry.refuses) | {
        feature for feature, modality in missing.items() if modality not in entry.input_modalities
    }


def _explain_unknown(name: str, target: str, short_names: Mapping[str, str], catalogue: Catalogue) -> str:
    subject = f"model {_quote(name)}"
    if target != name:
        subject += f" stands for {_quote(target)}, which"
    if _OPAQUE_ARN.fullmatch(target):
        return (
            f"{subject} does not tell its model: add a short name for it with its family to the settings,"
            f" written 'family=arn', for example 'anthropic={target[:24]}…'"
        )
    if target.startswith("arn:"):
        return f"{subject} is not the arn of a bedrock model, profile or deployment"
    near = get_close_matches(name[:100], [*short_names, *catalogue.models], n=3, cutoff=0.5)
    if near:
        return f"{subject} is unknown: did you mean {' or '.join(map(repr, near))}?"
    providers = ", ".join(map(repr, sorted(catalogue.providers)))
    return f"{subject} is unknown: expected one of {', '.join(map(repr, short_names))}, or an id or arn of {providers}"


def _quote(name: str) -> str:
    return repr(name) if len(name) <= 100 else f"{name[:100]!r}…"
