"""The headers that make a client known to a server: Authorization and `http_headers`.

What is in files is read for every request, so that it can be rotated.
"""

from __future__ import annotations

import base64
from pathlib import Path

from common.errors import ScrapeError, ScrapeFailure
from ruler.scrape.http.settings import Authorization, BasicAuth, ClientSettings

MAX_FILE = 1 << 20

_NO_VALUE = str.maketrans("", "", "\r\n\0")


def headers_of(settings: ClientSettings) -> list[str]:
    """Header lines with what is secret in them, as of now; raises ScrapeError when a file cannot be read."""
    lines = []
    if settings.basic_auth is not None:
        lines.append(header("Authorization", _basic(settings.basic_auth)))
    elif settings.authorization is not None:
        lines.append(header("Authorization", _bearer(settings.authorization)))
    elif settings.bearer_token_file:
        lines.append(header("Authorization", f"Bearer {from_file(settings.bearer_token_file)}"))
    elif settings.bearer_token:
        lines.append(header("Authorization", f"Bearer {settings.bearer_token.reveal()}"))
    for name, given in settings.http_headers.items():
        lines += [header(name, value) for value in given.values]
        lines += [header(name, secret.reveal()) for secret in given.secrets]
        lines += [header(name, from_file(file)) for file in given.files]
    return lines


def in_files(settings: ClientSettings) -> bool:
    """Whether the headers may be others with every request."""
    basic, bearer = settings.basic_auth, settings.authorization
    return bool(
        settings.bearer_token_file
        or (basic is not None and (basic.username_file or basic.password_file))
        or (bearer is not None and bearer.credentials_file)
        or any(given.files for given in settings.http_headers.values())
    )


def header(name: str, value: str) -> str:
    """A line of a request's head; raises ScrapeError for a value that would be more than one."""
    if value.translate(_NO_VALUE) != value:
        raise ScrapeError(ScrapeFailure.REFUSED, f"invalid value of header {name!r}: it has more than one line")
    return f"{name}: {value}"


def basic(user: str, password: str) -> str:
    """The value of an Authorization header."""
    return "Basic " + base64.b64encode(f"{user}:{password}".encode()).decode()


def from_file(name: str) -> str:
    """What a file of credentials says, without the space around it; raises ScrapeError."""
    try:
        with Path(name).open("rb") as file:
            content = file.read(MAX_FILE + 1)
        if len(content) > MAX_FILE:
            raise ScrapeError(ScrapeFailure.REFUSED, f"unable to read credentials: {name!r}: larger than {MAX_FILE}")
        return content.decode().strip()
    except (OSError, UnicodeDecodeError) as error:
        problem = f"unable to read credentials: {name!r}: {getattr(error, 'strerror', None) or 'not UTF-8 text'}"
        raise ScrapeError(ScrapeFailure.REFUSED, problem) from None


def _basic(auth: BasicAuth) -> str:
    user = from_file(auth.username_file) if auth.username_file else auth.username
    password = from_file(auth.password_file) if auth.password_file else auth.password.reveal()
    return basic(user, password)


def _bearer(auth: Authorization) -> str:
    credentials = from_file(auth.credentials_file) if auth.credentials_file else auth.credentials.reveal()
    return f"{auth.type.strip() or 'Bearer'} {credentials}"
