"""
Find what a client's model name stands for: a short name, a base ID, an inference profile or an ARN.

Pure look-up in the table, the settings' short names and the region; Bedrock has the last word on what an account may
call. Whether an ARN's region or account is ours is not decided here. Authorisation looks at the result's `base_id`,
never at the client's spelling.
"""

import re
from collections.abc import Mapping, Sequence
from difflib import get_close_matches

import msgspec

from outcrop.calls import ResolvedModel
from outcrop.catalogue.listing import ListedModel, describe_model
from outcrop.catalogue.models import Catalogue, LearnedModel, ModelEntry, Route, load_catalogue
from outcrop.catalogue.refusals import find_refusals
from outcrop.errors import SettingsError, UnknownModel

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
UNKNOWN_FAMILY = "unknown"
"""
The family of what hides its model and is called by Converse, where no family is needed.
"""

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
_NATIVE_ONLY_ARN = re.compile(_BEDROCK_ARN + r":[0-9]{12}:imported-model/[a-z0-9]{12}")
_CONVERSE: Route = "converse"


def resolve(
    name: str,
    *,
    short_names: Mapping[str, str] = DEFAULT_SHORT_NAMES,
    region: str | None = None,
    catalogue: Catalogue | None = None,
    routes: Mapping[str, Route] = {},
) -> ResolvedModel:
    """
    Return what `name` stands for.

    A profile ID or an ARN goes to Bedrock as written. So does a base ID, unless the model can be called through a
    profile only: then the profile that keeps closest to the region is taken (in Tokyo `jp.`, then `apac.`, then
    `global.`); where the model has none for the region, the base ID stays and Bedrock says no. A model that the
    catalogue lacks takes family and route of its provider's fallback and has unknown limits. What hides its model goes
    by Converse, with the family `unknown`.

    Args:
        name: what the client wrote.
        region: the gateway's region; None counts as us-east-1.
        catalogue: the table, if not the packaged one.
        short_names: name → base ID, profile ID or ARN, or `family=` and one of them, which makes it that family's.
        routes: base ID or family → route, stronger than the catalogue's.

    Raises:
        UnknownModel: the name stands for nothing, or for an imported model of an unknown family.
    """
    table = load_catalogue() if catalogue is None else catalogue
    where = region or _REGION_WHERE_NONE_IS_SET
    _check_spelling(name)
    target = short_names.get(name)
    if target is None:
        target = next((value for value in short_names.values() if _without_family(value) == name), name)
    family, found = _split_family(target)
    resolved = _resolve_target(name, found, family, where, table, routes)
    if resolved is None:
        raise UnknownModel(_explain_unknown(name, found, short_names, table))
    return resolved


def list_models(
    *,
    short_names: Mapping[str, str] = DEFAULT_SHORT_NAMES,
    region: str | None = None,
    catalogue: Catalogue | None = None,
    routes: Mapping[str, Route] = {},
    everything: bool = False,
) -> tuple[ListedModel, ...]:
    """
    List the models for a menu: the short names first, in their own order, then the catalogue's entries in its order.

    Models at the end of their life are left out, and so are those that can't be called in the region, unless
    `everything` is asked for; both still resolve by name.

    Raises:
        UnknownModel: a short name stands for nothing.
    """
    table = load_catalogue() if catalogue is None else catalogue
    where = region or _REGION_WHERE_NONE_IS_SET
    known: tuple[ModelEntry | LearnedModel, ...] = (*table.models.values(), *table.learned.values())
    base_ids = [
        entry.base_id
        for entry in known
        if everything or (entry.lifecycle != "end_of_life" and _callable_id(entry, where) is not None)
    ]
    found = [
        resolve(name, short_names=short_names, region=region, catalogue=table, routes=routes)
        for name in (*short_names, *base_ids)
    ]
    names_of: dict[str, list[str]] = {}
    for model in found[: len(short_names)]:
        names_of.setdefault(model.base_id, []).append(model.name)
    return tuple(describe_model(model, table, names_of.get(model.base_id, ())) for model in found)


def check_routes(routes: Mapping[str, Route], catalogue: Catalogue) -> None:
    """
    Refuse a route for something that is neither a family nor looks like a base ID: it would never be taken.

    Raises:
        SettingsError: the message names it and the nearest that there is.
    """
    families = {row.family for row in catalogue.models.values()} | {row.family for row in catalogue.fallbacks}
    for name in routes:
        if name not in families and _find_base_id(name, catalogue) != name and not _OPAQUE_ARN.fullmatch(name):
            near = get_close_matches(name[:100], [*families, *catalogue.models], n=1, cutoff=0.5)
            hint = f"did you mean {near[0]!r}?" if near else f"expected a base id, or one of {sorted(families)}"
            raise SettingsError(f"setting routes: {_quote(name)} is neither a family nor a base id: {hint}")


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
    name: str, target: str, family: str | None, region: str, catalogue: Catalogue, routes: Mapping[str, Route]
) -> ResolvedModel | None:
    arn = _TELLING_ARN.fullmatch(target)
    base_id = _find_base_id(target if arn is None else arn["model_id"], catalogue)
    known = None if base_id is None else catalogue.find(base_id)
    if base_id is None:
        if not _can_be_called(target, family):
            return None
        base_id = target
    found_family, route = _family_and_route(base_id, family, catalogue, routes)
    if found_family is None:
        return None
    model = ResolvedModel(name=name, model_id=target, base_id=base_id, family=found_family, route=route)
    if known is None:
        return model
    return msgspec.structs.replace(
        model,
        model_id=(_callable_id(known, region) or target) if target == base_id else target,
        max_output_tokens=known.max_output_tokens if isinstance(known, ModelEntry) else None,
        context_tokens=known.context_tokens if isinstance(known, ModelEntry) else None,
        refuses=find_refusals(known, route),
    )


def _can_be_called(target: str, family: str | None) -> bool:
    """
    Say whether something that hides its model can be called: by Converse, or by the body of the family that is given.
    """
    if _OPAQUE_ARN.fullmatch(target):
        return family is not None or _NATIVE_ONLY_ARN.fullmatch(target) is None
    return family is not None and bool(_TELLING_ARN.fullmatch(target) or _MODEL_ID.fullmatch(target))


def _family_and_route(
    base_id: str, family: str | None, catalogue: Catalogue, routes: Mapping[str, Route]
) -> tuple[str | None, Route]:
    """
    Return family and route: what is stated first, then the entry's, then the fallback's. An opaque ARN has neither.
    """
    entry = catalogue.models.get(base_id)
    row = catalogue.fallback_for(base_id) if entry is None else entry
    if row is None:
        is_hidden = base_id in catalogue.learned or _OPAQUE_ARN.fullmatch(base_id) is not None
        found, route = (family or (UNKNOWN_FAMILY if is_hidden else None)), _CONVERSE
    else:
        found, route = family or row.family, row.route
    if found is None:
        return None, route
    if family is not None:
        route = catalogue.route_of_family(family)
    return found, routes.get(base_id) or routes.get(found) or route


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


def _callable_id(entry: ModelEntry | LearnedModel, region: str) -> str | None:
    """
    Return the ID under which the model can be called in the region, or None where the table offers none.
    """
    if entry.on_demand or region in entry.on_demand_regions:
        return entry.base_id
    prefixes = next(prefixes for start, prefixes in _PROFILES_BY_REGION if region.startswith(start))
    offered = next((prefix for prefix in prefixes if prefix in entry.profiles), None)
    return None if offered is None else f"{offered}.{entry.base_id}"


def list_profiles(entry: ModelEntry | LearnedModel, region: str) -> tuple[str, ...]:
    """
    List the inference profiles through which a model can be called in a region, the nearest first.
    """
    prefixes = next(prefixes for start, prefixes in _PROFILES_BY_REGION if region.startswith(start))
    return tuple(f"{prefix}.{entry.base_id}" for prefix in prefixes if prefix in entry.profiles)


def _explain_unknown(name: str, target: str, short_names: Mapping[str, str], catalogue: Catalogue) -> str:
    subject = f"model {_quote(name)}"
    if target != name:
        subject += f" stands for {_quote(target)}, which"
    if _NATIVE_ONLY_ARN.fullmatch(target):
        return (
            f"{subject} is an imported model, which converse does not accept: add a short name for it with its family"
            f" to the settings, written 'family=arn', for example 'llama3={target[:24]}…'"
        )
    if target.startswith("arn:"):
        return f"{subject} is not the ARN of a Bedrock model, profile or deployment"
    near = _find_nearest(name[:100], [*short_names, *_living(catalogue)])
    if near:
        return f"{subject} is unknown: did you mean {' or '.join(map(repr, near))}?"
    providers = ", ".join(map(repr, sorted(catalogue.providers)))
    return f"{subject} is unknown: expected one of {', '.join(map(repr, short_names))}, or an id or arn of {providers}"


def _living(catalogue: Catalogue) -> list[str]:
    known: tuple[ModelEntry | LearnedModel, ...] = (*catalogue.models.values(), *catalogue.learned.values())
    return [entry.base_id for entry in known if entry.lifecycle != "end_of_life"]


def _find_nearest(name: str, names: Sequence[str]) -> list[str]:
    """
    Return up to three names that hold what was written (at least four characters), or else look like it.
    """
    written = name.lower()
    holding = [one for one in names if written in one] if len(written) >= 4 else []
    return holding[:3] or get_close_matches(name, names, n=3, cutoff=0.5)


def _quote(name: str) -> str:
    return repr(name) if len(name) <= 100 else f"{name[:100]!r}…"
