"""
`outcrop keys`: make a key, and say what to do with it.
"""

from outcrop.accounts.authenticate import make_key
from outcrop.accounts.signing import make_pair


def describe_new_key(name: str) -> str:
    """
    Make a bearer key, shown once, and the line of the settings that lets it in.
    """
    key, digest = make_key()
    return (
        f"key for {name}, shown only now:\n\n    {key}\n\nsettings file:\n\n    [api_keys]\n    '{name}' = '{digest}'"
    )


def describe_new_pair(name: str) -> str:
    """
    Make an AWS access key, for clients that can only sign, and the line of the settings that lets it in.
    """
    key_id, secret = make_pair()
    return (
        f"AWS access key for {name}, to sign requests to this gateway (AWS itself does not know it):\n\n"
        f"    export AWS_ACCESS_KEY_ID={key_id}\n    export AWS_SECRET_ACCESS_KEY={secret}\n\n"
        "settings file (or the variable OUTCROP_SIGNING_KEYS), which holds the secret itself, so keep it from others:"
        f"\n\n    [signing_keys]\n    '{name}' = '{key_id}:{secret}'"
    )
