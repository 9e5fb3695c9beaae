"""From a job's settings to how its targets are fetched: TLS contexts and the Authorization header.

Certificates are read when a client is made, so that a bad one fails the reload; passwords and credentials in files are
read at every scrape, so that they can be rotated.
"""

from __future__ import annotations

import base64
import ssl
import tempfile
import warnings
from collections.abc import Callable
from dataclasses import dataclass
from functools import cache, partial
from pathlib import Path

from common.errors import ConfigError, ScrapeError, ScrapeFailure
from ruler.scrape.config import ScrapeSettings
from ruler.scrape.http.settings import Authorization, BasicAuth, TLSSettings

_VERSIONS = {
    "TLS10": ssl.TLSVersion.TLSv1,
    "TLS11": ssl.TLSVersion.TLSv1_1,
    "TLS12": ssl.TLSVersion.TLSv1_2,
    "TLS13": ssl.TLSVersion.TLSv1_3,
}


@dataclass(frozen=True, slots=True)
class Client:
    """A Client is how the targets of one job are fetched; `cap` bounds a page (bytes, inflated)."""

    cap: int
    tls: Callable[[], ssl.SSLContext]
    server_name: str = ""
    authorization: Callable[[], str] | None = None


def client_of(job: ScrapeSettings) -> Client:
    """The client that a job asks for; raises ConfigError when its certificates cannot be used."""
    tls = job.tls_config
    context: Callable[[], ssl.SSLContext] = _system_trust
    if tls != TLSSettings():
        for name in filter(None, (tls.ca_file, tls.cert_file, tls.key_file)):
            if not Path(name).is_file():
                raise ConfigError(f"no such file: {name!r}")
        try:
            made = _context(tls)
        except (OSError, ssl.SSLError) as error:
            raise ConfigError(f"certificates that cannot be used: {error}") from None
        context = partial(_same, made)
    authorization: Callable[[], str] | None = None
    if job.basic_auth is not None:
        authorization = partial(_basic, job.basic_auth)
    elif job.authorization is not None:
        authorization = partial(_bearer, job.authorization)
    return Client(job.body_cap, context, tls.server_name, authorization)


@cache
def _system_trust() -> ssl.SSLContext:
    """The context of jobs without a tls_config; made when the first of them meets https."""
    return ssl.create_default_context()


def _same(context: ssl.SSLContext) -> ssl.SSLContext:
    return context


def _context(tls: TLSSettings) -> ssl.SSLContext:
    context = ssl.create_default_context(cafile=tls.ca_file or None, cadata=tls.ca or None)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)  # TLS 1.0 and 1.1 are what the operator asked for
        if tls.min_version:
            context.minimum_version = _VERSIONS[tls.min_version]
        if tls.max_version:
            context.maximum_version = _VERSIONS[tls.max_version]
    if tls.insecure_skip_verify:
        context.check_hostname = False
        context.verify_mode = ssl.CERT_NONE
    if tls.cert_file or tls.cert:
        with tempfile.TemporaryDirectory() as folder:  # the ssl module reads certificates from files alone
            certificate = tls.cert_file or _written(Path(folder) / "cert", tls.cert)
            key = tls.key_file or _written(Path(folder) / "key", tls.key.reveal())
            context.load_cert_chain(certificate, key)
    return context


def _written(path: Path, text: str) -> str:
    path.touch(0o600)
    path.write_text(text, encoding="utf-8")
    return str(path)


def _basic(auth: BasicAuth) -> str:
    user = _from_file(auth.username_file) if auth.username_file else auth.username
    password = _from_file(auth.password_file) if auth.password_file else auth.password.reveal()
    return "Basic " + base64.b64encode(f"{user}:{password}".encode()).decode()


def _bearer(auth: Authorization) -> str:
    credentials = _from_file(auth.credentials_file) if auth.credentials_file else auth.credentials.reveal()
    return f"{auth.type.strip() or 'Bearer'} {credentials}"


def _from_file(name: str) -> str:
    try:
        return Path(name).read_text(encoding="utf-8").strip()
    except (OSError, UnicodeDecodeError) as error:
        problem = f"unable to read credentials: {name!r}: {getattr(error, 'strerror', None) or error}"
        raise ScrapeError(ScrapeFailure.REFUSED, problem) from None
