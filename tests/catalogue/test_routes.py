"""
Whether a model goes by its family's native body or by Converse: the table says, and the settings have the last word.
"""

import pytest

from outcrop.catalogue.models import Route, load_catalogue
from outcrop.catalogue.resolve import check_routes, resolve
from outcrop.errors import SettingsError

APPLICATION_PROFILE = "arn:aws:bedrock:us-east-1:123456789012:application-inference-profile/a1b2c3d4e5f6"
ROUTES: tuple[Route, Route] = ("native", "converse")


def test_a_family_that_goes_by_converse_stays_there() -> None:
    """
    A stated family makes an ARN native only where that family's models are.
    """
    model = resolve("ours", short_names={"ours": f"nova={APPLICATION_PROFILE}"})
    assert (model.family, model.route) == ("nova", "converse")


@pytest.mark.parametrize(
    ("name", "routes", "route"),
    [
        ("amazon.nova-pro-v1:0", {"nova": "native"}, "native"),
        ("us.amazon.nova-pro-v1:0", {"amazon.nova-pro-v1:0": "native"}, "native"),
        ("amazon.nova-pro-v1:0", {"nova": "native", "amazon.nova-pro-v1:0": "converse"}, "converse"),
        ("amazon.nova-lite-v1:0", {"amazon.nova-pro-v1:0": "native"}, "converse"),
        ("llama3", {"llama3": "converse"}, "converse"),
        ("meta.llama3-9-1b-instruct-v1:0", {"llama3": "converse"}, "converse"),
        ("amazon.nova-9-v1:0", {"nova": "native"}, "native"),
    ],
)
def test_the_settings_have_the_last_word_on_routes(name: str, routes: dict[str, Route], route: str) -> None:
    """
    A route by base ID is stronger than one by family, and either than the table's.
    """
    assert resolve(name, routes=routes).route == route


def test_a_route_for_nothing_is_refused() -> None:
    """
    A route for a name that is neither a family nor a base ID would never be taken.
    """
    check_routes({"nova": "native", "amazon.nova-9-v1:0": "native", APPLICATION_PROFILE: "converse"}, load_catalogue())
    for name, words in (
        ("novva", "did you mean 'nova'"),
        ("us.amazon.nova-pro-v1:0", "did you mean"),
        ("?", "expected"),
    ):
        with pytest.raises(SettingsError, match=words):
            check_routes({name: "native"}, load_catalogue())


def test_what_llama_refuses_depends_on_its_route() -> None:
    """
    The native body has no place for tools; Converse takes them, though not in a stream, and writes no prefill.
    """
    name = "meta.llama3-3-70b-instruct-v1:0"
    native, converse = (resolve(name, routes={"llama3": route}).refuses for route in ROUTES)
    assert {"tools", "documents"} <= native
    assert not {"tools", "documents"} & converse
    assert {"streaming+tools", "forced_tool_choice", "prefill", "cache"} <= converse - native
