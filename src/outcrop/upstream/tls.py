"""
The TLS context for connections to Bedrock: certificates and names are always checked.
"""

import ssl
from collections.abc import Mapping

from outcrop.errors import SettingsError


def make_tls_context(environ: Mapping[str, str], *, extra_ca_file: str | None = None) -> ssl.SSLContext:
    """
    Build a context that trusts the system's authorities, or those of `AWS_CA_BUNDLE` instead, as botocore does.

    `extra_ca_file` names a PEM file that is trusted besides. Reads files: call it before the event loop runs.

    Raises:
        SettingsError: a file can't be read or holds no certificate.
    """
    bundle = environ.get("AWS_CA_BUNDLE") or None
    try:
        context = ssl.create_default_context(cafile=bundle)
    except OSError as error:
        raise SettingsError(f"AWS_CA_BUNDLE {bundle!r} can't be used: {error}") from error
    if extra_ca_file is not None:
        try:
            context.load_verify_locations(cafile=extra_ca_file)
        except OSError as error:
            raise SettingsError(f"ca file {extra_ca_file!r} can't be used: {error}") from error
    # HTTP/2 is not spoken here, and a server that prefers it must not choose it.
    context.set_alpn_protocols(["http/1.1"])
    return context
