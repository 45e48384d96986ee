"""
Where Bedrock is: region, endpoint URL, and what a URL must look like to be called.

Everything here is the operator's word (arguments, environment, AWS configuration); nothing of a client's request ever
reaches it.
"""

import ipaddress
import re
from collections.abc import Mapping
from urllib.parse import urlsplit

import botocore.session
import msgspec
from botocore.exceptions import BotoCoreError

from outcrop.errors import SettingsError

ENDPOINT_VARIABLES = ("AWS_ENDPOINT_URL_BEDROCK_RUNTIME", "AWS_ENDPOINT_URL")
REGION_VARIABLES = ("AWS_REGION", "AWS_DEFAULT_REGION")

_REGION = re.compile(r"[a-z]{2,8}(-[a-z]{2,16}){1,3}-[0-9]{1,2}")
_LABEL = r"[0-9A-Za-z_](?:[0-9A-Za-z_-]{0,61}[0-9A-Za-z_])?"
_HOST = re.compile(rf"(?=.{{1,253}}$){_LABEL}(\.{_LABEL})*\.?")
_PATH = re.compile(r"(/[0-9A-Za-z._~-]+)*/?")
_DEFAULT_PORTS = {"http": 80, "https": 443}


class Endpoint(msgspec.Struct, frozen=True, kw_only=True):
    """
    Hold where requests go. `base_path` is empty or begins with a slash and ends without one.
    """

    scheme: str
    host: str
    port: int
    base_path: str = ""

    @property
    def secure(self) -> bool:
        """
        Say whether TLS is spoken.
        """
        return self.scheme == "https"

    @property
    def authority(self) -> str:
        """
        Return the value of the `host` header.
        """
        host = f"[{self.host}]" if ":" in self.host else self.host
        return host if self.port == _DEFAULT_PORTS[self.scheme] else f"{host}:{self.port}"

    @property
    def is_loopback(self) -> bool:
        """
        Say whether requests stay on this machine.
        """
        if self.host.lower() == "localhost":
            return True
        try:
            return ipaddress.ip_address(self.host).is_loopback
        except ValueError:
            return False


def parse_endpoint(url: str) -> Endpoint:
    """
    Parse an endpoint URL: http or https, a host, and at most a port and a plain path.

    Raises:
        SettingsError: the URL has another scheme, or user info, a query or a fragment, or no usable host.
    """
    try:
        parts = urlsplit(url)
        port = parts.port
    except ValueError:
        # The cause would quote a part of the URL, possibly of a password.
        raise SettingsError("endpoint url is malformed") from None
    if parts.scheme not in _DEFAULT_PORTS:
        raise SettingsError(f"endpoint url must begin with https:// or http://, got scheme {parts.scheme!r}")
    if "@" in parts.netloc:
        raise SettingsError("endpoint url must not hold a user name or a password")
    if "?" in url or "#" in url or not _PATH.fullmatch(parts.path):
        raise SettingsError("endpoint url must not hold a query, a fragment or an unusual path")
    host = parts.hostname or ""
    if not _is_host(host) or port == 0:
        raise SettingsError(f"endpoint url has no usable host: {host!r}")
    return Endpoint(
        scheme=parts.scheme, host=host, port=port or _DEFAULT_PORTS[parts.scheme], base_path=parts.path.rstrip("/")
    )


def find_endpoint_url(region: str, environ: Mapping[str, str]) -> str:
    """
    Return the endpoint that the environment names, else AWS's own in `region`.

    Raises:
        SettingsError: `region` does not look like an AWS region.
    """
    check_region(region)
    for variable in ENDPOINT_VARIABLES:
        if url := environ.get(variable, "").strip():
            parse_endpoint(url)
            return url
    return f"https://bedrock-runtime.{region}.{_find_dns_suffix(region)}"


def find_region(explicit: str | None, environ: Mapping[str, str], *, profile: str | None = None) -> str | None:
    """
    Return the region: the explicit one, the environment's, that of the AWS configuration file, or None.

    Reads the AWS configuration file; call it before the event loop runs, or in a thread.

    Raises:
        SettingsError: what was found does not look like an AWS region, or the configuration can't be read.
    """
    candidates = (explicit, *(environ.get(variable) for variable in REGION_VARIABLES))
    found = next((region.strip() for region in candidates if region and region.strip()), None)
    if found is None:
        try:
            found = botocore.session.Session(profile=profile).get_config_variable("region")
        except BotoCoreError as error:
            raise SettingsError(f"the AWS configuration can't be read: {error}") from error
    if found is not None:
        check_region(found)
    return found


def check_region(region: str) -> None:
    """
    Refuse what can't be a region's name, so that a region can never steer the host.

    Raises:
        SettingsError: `region` does not look like `eu-central-1` or `us-gov-west-1`.
    """
    if not _REGION.fullmatch(region):
        raise SettingsError(f"region must look like 'eu-central-1', got {region[:80]!r}")


def _find_dns_suffix(region: str) -> str:
    session = botocore.session.Session()
    try:
        partition = session.get_partition_for_region(region)
    except BotoCoreError as error:
        raise SettingsError(f"no AWS partition has a region {region!r}") from error
    known = {entry["partition"]: entry["dnsSuffix"] for entry in session.get_data("endpoints")["partitions"]}
    return str(known[partition])


def _is_host(host: str) -> bool:
    if ":" not in host or "%" in host:
        return _HOST.fullmatch(host) is not None
    try:
        return ipaddress.ip_address(host).version == 6
    except ValueError:
        return False
