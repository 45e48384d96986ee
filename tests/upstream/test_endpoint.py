"""
Regions and endpoint URLs: what is taken, what is refused, and where the defaults come from.
"""

from pathlib import Path

import pytest

from outcrop.errors import SettingsError
from outcrop.upstream.endpoint import check_region, find_endpoint_url, find_region, parse_endpoint


@pytest.mark.parametrize(
    ("url", "authority", "secure", "base_path"),
    [
        ("https://bedrock-runtime.us-east-1.amazonaws.com", "bedrock-runtime.us-east-1.amazonaws.com", True, ""),
        ("https://x.example/", "x.example", True, ""),
        ("https://x.example:443", "x.example", True, ""),
        ("http://x.example:443", "x.example:443", False, ""),
        ("http://127.0.0.1:4566/a/b/", "127.0.0.1:4566", False, "/a/b"),
        ("http://[::1]:4566", "[::1]:4566", False, ""),
        ("https://[2001:db8::1]", "[2001:db8::1]", True, ""),
        ("HTTPS://X.Example", "x.example", True, ""),
    ],
)
def test_a_good_url_is_parsed(url: str, authority: str, secure: bool, base_path: str) -> None:
    """
    An endpoint's URL gives its host header, whether TLS is spoken, and the path before Bedrock's.
    """
    endpoint = parse_endpoint(url)
    assert (endpoint.authority, endpoint.secure, endpoint.base_path) == (authority, secure, base_path)


@pytest.mark.parametrize(
    "url",
    [
        "",
        "x.example",
        "ftp://x.example",
        "file:///etc/passwd",
        "https://",
        "https://:443",
        "https://user@x.example",
        "https://user:hunter2@x.example",
        "https://@x.example",
        "https://x.example?a=b",
        "https://x.example/?",
        "https://x.example#a",
        "https://x.example/#",
        "https://x.example:0",
        "https://x.example:99999",
        "https://user:p@ss:hunter2@x",
        "https://x.example:hunter2",
        "https://x example",
        "https://x.example\r\nhost: evil",
        "https://x..example",
        "https://-x.example",
        "https://x.example/a b",
        "https://x.example/%0d%0a",
        "https://x.example/a//b",
        "https://[::1",
        "https://[fe80::1%25eth0]",
        "https://é.example",
        f"https://{'a' * 64}.example",
        f"https://{'a.' * 127}example",
    ],
)
def test_a_bad_url_is_refused(url: str) -> None:
    """
    A URL with another scheme, user info, a query, a fragment or no clean host is refused, and no password is shown.
    """
    with pytest.raises(SettingsError, match="endpoint url") as caught:
        parse_endpoint(url)
    assert "hunter2" not in f"{caught.value!r}{caught.value.__cause__!r}"


@pytest.mark.parametrize(
    ("region", "url"),
    [
        ("us-east-1", "https://bedrock-runtime.us-east-1.amazonaws.com"),
        ("us-gov-west-1", "https://bedrock-runtime.us-gov-west-1.amazonaws.com"),
        ("cn-north-1", "https://bedrock-runtime.cn-north-1.amazonaws.com.cn"),
        ("eusc-de-east-1", "https://bedrock-runtime.eusc-de-east-1.amazonaws.eu"),
        ("eu-west-9", "https://bedrock-runtime.eu-west-9.amazonaws.com"),
    ],
)
def test_every_partition_has_its_suffix(region: str, url: str) -> None:
    """
    The default endpoint follows the region's partition, also for a region that botocore does not know yet.
    """
    assert find_endpoint_url(region, {}) == url


def test_the_environment_names_the_endpoint() -> None:
    """
    The variable for Bedrock Runtime wins over the general one, which wins over AWS's own endpoint.
    """
    both = {"AWS_ENDPOINT_URL": "http://127.0.0.1:1", "AWS_ENDPOINT_URL_BEDROCK_RUNTIME": "http://127.0.0.1:2"}
    assert find_endpoint_url("us-east-1", both) == "http://127.0.0.1:2"
    assert find_endpoint_url("us-east-1", {"AWS_ENDPOINT_URL": "http://127.0.0.1:1"}) == "http://127.0.0.1:1"
    with pytest.raises(SettingsError):
        find_endpoint_url("us-east-1", {"AWS_ENDPOINT_URL": "gopher://x"})


@pytest.mark.parametrize(
    "region",
    [
        "",
        "us-east",
        "us east-1",
        "us-east-1.evil.example",
        "us-east-1/",
        "US-EAST-1",
        "us-east-1\n",
        "../x-1",
        "@evil-a-1",
    ],
)
def test_a_region_can_not_steer_the_host(region: str) -> None:
    """
    What does not look like a region never becomes a part of a host name.
    """
    with pytest.raises(SettingsError, match="region"):
        check_region(region)
    with pytest.raises(SettingsError, match="region"):
        find_endpoint_url(region, {})


def test_a_region_of_no_partition_is_refused() -> None:
    """
    A region that fits no partition has no endpoint.
    """
    with pytest.raises(SettingsError, match="partition"):
        find_endpoint_url("xx-foo-1", {})


@pytest.fixture
def aws_config(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """
    Point botocore to an empty configuration.
    """
    path = tmp_path / "config"
    path.write_text("")
    for name in ("AWS_PROFILE", "AWS_DEFAULT_PROFILE", "AWS_REGION", "AWS_DEFAULT_REGION"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("AWS_CONFIG_FILE", str(path))
    monkeypatch.setenv("AWS_SHARED_CREDENTIALS_FILE", str(tmp_path / "credentials"))
    return path


def test_the_region_is_looked_for_in_order(aws_config: Path) -> None:
    """
    The explicit region wins, then AWS_REGION, AWS_DEFAULT_REGION and the configuration file; else there is none.
    """
    assert find_region(None, {}) is None
    aws_config.write_text("[default]\nregion = sa-east-1\n[profile other]\nregion = ca-central-1\n")
    environ = {"AWS_REGION": "us-west-1", "AWS_DEFAULT_REGION": "us-west-2"}
    assert find_region("eu-west-1", environ) == "eu-west-1"
    assert find_region(None, environ) == "us-west-1"
    assert find_region("", {"AWS_DEFAULT_REGION": "us-west-2", "AWS_REGION": " "}) == "us-west-2"
    assert find_region(None, {}) == "sa-east-1"
    assert find_region(None, {}, profile="other") == "ca-central-1"


def test_a_missing_profile_is_told(aws_config: Path) -> None:
    """
    A profile that does not exist stops the start.
    """
    with pytest.raises(SettingsError, match="nobody"):
        find_region(None, {}, profile="nobody")


def test_a_bad_region_is_told(aws_config: Path) -> None:
    """
    A region that can't be one is refused wherever it comes from.
    """
    with pytest.raises(SettingsError, match="evil"):
        find_region(None, {"AWS_REGION": "evil.example/"})
