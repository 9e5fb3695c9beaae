"""The HTTP client block of prometheus.yml: how to reach a server, how to be sure of it, and how to be known to it.

The same keys stand in a scrape job and in whatever else asks over HTTP, as in Prometheus's common/config.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import TypeVar

import msgspec

from common.config import Settings
from common.secrets import Secret

TLS_VERSIONS = ("", "TLS10", "TLS11", "TLS12", "TLS13")

Problems = Iterator[tuple[tuple[str | int, ...], str]]  # where in a block, and what is wrong there


class BasicAuth(Settings, frozen=True):
    """A user and a password, each given or in a file that is read for every request."""

    username: str = ""
    username_file: str = ""
    password: Secret = Secret("")
    password_file: str = ""


class Authorization(Settings, frozen=True):
    """An Authorization header of any scheme but Basic."""

    type: str = "Bearer"
    credentials: Secret = Secret("")
    credentials_file: str = ""


class TLSSettings(Settings, frozen=True):
    """How to be sure of a server, and how to be known to it."""

    ca: str = ""
    ca_file: str = ""
    cert: str = ""
    cert_file: str = ""
    key: Secret = Secret("")
    key_file: str = ""
    server_name: str = ""
    insecure_skip_verify: bool = False
    min_version: str = ""
    max_version: str = ""


class ProxySettings(Settings, frozen=True):
    """Through which proxy requests go."""

    proxy_url: str = ""
    no_proxy: str = ""
    proxy_from_environment: bool = False
    proxy_connect_header: dict[str, tuple[Secret, ...]] = msgspec.field(default_factory=dict)


class OAuth2(ProxySettings, frozen=True):
    """Where to get a token, with the credentials of a client."""

    client_id: str = ""
    client_secret: Secret = Secret("")
    client_secret_file: str = ""
    scopes: tuple[str, ...] = ()
    token_url: str = ""
    endpoint_params: dict[str, str] = msgspec.field(default_factory=dict)
    tls_config: TLSSettings = TLSSettings()


class HeaderValues(Settings, frozen=True):
    """The values of a header that goes with every request: plain, secret, and in files."""

    values: tuple[str, ...] = ()
    secrets: tuple[Secret, ...] = ()
    files: tuple[str, ...] = ()


class ClientSettings(ProxySettings, frozen=True):
    """How to ask a server over HTTP."""

    basic_auth: BasicAuth | None = None
    authorization: Authorization | None = None
    oauth2: OAuth2 | None = None
    bearer_token: Secret = Secret("")
    bearer_token_file: str = ""
    tls_config: TLSSettings = TLSSettings()
    follow_redirects: bool = True
    enable_http2: bool = True  # accepted; requests are HTTP/1.1
    http_headers: dict[str, HeaderValues] = msgspec.field(default_factory=dict)


Client = TypeVar("Client", bound=ClientSettings)


def client_problems(client: ClientSettings) -> Problems:
    """What Prometheus would refuse in a client block."""
    basic, bearer, tls = client.basic_auth, client.authorization, client.tls_config
    if basic is not None and bearer is not None:
        yield ("authorization",), "at most one of basic_auth & authorization must be configured"
    if basic is not None and basic.username and basic.username_file:
        yield ("basic_auth",), "at most one of basic_auth username & username_file must be configured"
    if basic is not None and basic.password and basic.password_file:
        yield ("basic_auth",), "at most one of basic_auth password & password_file must be configured"
    if bearer is not None and bearer.type.strip().lower() == "basic":
        yield ("authorization", "type"), 'authorization type cannot be set to "basic", use "basic_auth" instead'
    if bearer is not None and bearer.credentials and bearer.credentials_file:
        yield ("authorization",), "at most one of authorization credentials & credentials_file must be configured"
    for inline, file, name in (
        (tls.ca, tls.ca_file, "ca"),
        (tls.cert, tls.cert_file, "cert"),
        (tls.key, tls.key_file, "key"),
    ):
        if inline and file:
            yield ("tls_config",), f"at most one of {name} and {name}_file must be configured"
    if bool(tls.cert or tls.cert_file) != bool(tls.key or tls.key_file):
        yield (
            ("tls_config",),
            "exactly one of key or key_file must be configured when a client certificate is configured",
        )
    for key, version in (("min_version", tls.min_version), ("max_version", tls.max_version)):
        if version not in TLS_VERSIONS:
            yield ("tls_config", key), f"unknown TLS version: {version!r}"
    if tls.min_version and tls.max_version and tls.max_version < tls.min_version:
        yield ("tls_config",), "tls_config.max_version must be greater than or equal to tls_config.min_version"


def client_in(client: Client, folder: Path) -> Client:
    """The same with the paths of its files made absolute: they are told from `folder`."""

    def absolute(name: str) -> str:
        return str(folder / name) if name else ""

    replace = msgspec.structs.replace
    basic, bearer, tls = client.basic_auth, client.authorization, client.tls_config
    if basic is not None:
        files = {"username_file": absolute(basic.username_file), "password_file": absolute(basic.password_file)}
        basic = replace(basic, **files)
    if bearer is not None:
        bearer = replace(bearer, credentials_file=absolute(bearer.credentials_file))
    tls = replace(
        tls, ca_file=absolute(tls.ca_file), cert_file=absolute(tls.cert_file), key_file=absolute(tls.key_file)
    )
    return replace(client, basic_auth=basic, authorization=bearer, tls_config=tls)
