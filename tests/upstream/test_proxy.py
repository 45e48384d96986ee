"""
Proxies: which one the environment names, and tunnels through a tiny real one.
"""

import pytest

from outcrop.errors import SettingsError
from outcrop.upstream.endpoint import parse_endpoint
from outcrop.upstream.proxy import find_proxy

HOST = "bedrock-runtime.eu-west-1.amazonaws.com"
AWS = parse_endpoint(f"https://{HOST}")


@pytest.mark.parametrize(
    ("environ", "expected"),
    [
        ({}, None),
        ({"HTTPS_PROXY": ""}, None),
        ({"HTTPS_PROXY": "http://p.example:3128"}, ("p.example", 3128)),
        ({"https_proxy": "http://p.example"}, ("p.example", 80)),
        ({"https_proxy": "p.example:3128"}, ("p.example", 3128)),
        ({"https_proxy": "http://a:1", "HTTPS_PROXY": "http://b:1"}, ("a", 1)),
        ({"HTTP_PROXY": "http://p.example:3128"}, None),
        ({"HTTPS_PROXY": "http://[::1]:3128"}, ("::1", 3128)),
    ],
)
def test_the_environment_names_the_proxy(environ: dict[str, str], expected: tuple[str, int] | None) -> None:
    """
    HTTPS_PROXY counts in both cases, the lower case first; HTTP_PROXY is no proxy for https.
    """
    proxy = find_proxy(AWS, environ)
    assert (None if proxy is None else (proxy.host, proxy.port)) == expected


@pytest.mark.parametrize(
    ("no_proxy", "direct"),
    [
        ("*", True),
        (HOST, True),
        (HOST.upper(), True),
        ("amazonaws.com", True),
        (".amazonaws.com", True),
        ("other.example, .amazonaws.com ", True),
        (f"{HOST}:443", True),
        (f"{HOST}:8443", False),
        ("azonaws.com", False),
        ("us-east-1.amazonaws.com", False),
        ("com.", False),
        (",", False),
        ("", False),
    ],
)
@pytest.mark.parametrize("name", ["no_proxy", "NO_PROXY"])
def test_no_proxy_exempts(name: str, no_proxy: str, direct: bool) -> None:
    """
    NO_PROXY exempts hosts, suffixes at a dot, ports and everything, in both cases.
    """
    proxy = find_proxy(AWS, {"HTTPS_PROXY": "http://p:1", name: no_proxy})
    assert (proxy is None) is direct


@pytest.mark.parametrize(
    ("url", "no_proxy", "direct"),
    [
        ("https://10.0.0.7:8443", "10.0.0.7", True),
        ("https://10.0.0.7:8443", "10.0.0.7:8443", True),
        ("https://10.0.0.7:8443", "10.0.0.70", False),
        ("https://[2001:db8::7]", "2001:db8::7", True),
        ("https://[2001:db8::7]", "[2001:db8::7]:443", True),
        ("https://[2001:db8::7]", "[2001:db8::7]:444", False),
        ("http://10.0.0.7:8443", "", True),
    ],
)
def test_addresses_and_plain_endpoints(url: str, no_proxy: str, direct: bool) -> None:
    """
    NO_PROXY takes addresses with ports, and an http endpoint is always reached directly.
    """
    environ = {"HTTPS_PROXY": "http://p:1", "HTTP_PROXY": "http://p:1", "NO_PROXY": no_proxy}
    assert (find_proxy(parse_endpoint(url), environ) is None) is direct


@pytest.mark.parametrize("url", ["socks5://p:1", "https://p:1", "http://", "http://p:hunter2", "http://u:hunter2@p:x"])
def test_an_unusable_proxy_is_told(url: str) -> None:
    """
    A proxy that can't be used stops the start, and its URL, which may hold a password, is not shown.
    """
    with pytest.raises(SettingsError, match="HTTPS_PROXY") as caught:
        find_proxy(AWS, {"HTTPS_PROXY": url})
    assert "hunter2" not in f"{caught.value!r} {caught.value.__cause__!r}"


def test_a_proxys_password_is_never_shown() -> None:
    """
    Credentials in the proxy's URL are decoded for its header, and left out of its text.
    """
    proxy = find_proxy(AWS, {"HTTPS_PROXY": "http://me:a%40b@p:1"})
    assert proxy is not None
    assert proxy.authorization == "Basic bWU6YUBi"
    assert repr(proxy) == "Proxy(host='p', port=1)"
