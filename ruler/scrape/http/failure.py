"""What went wrong on the way to a server, in plain words: the one place where the network's errors are worded."""

from __future__ import annotations

import ssl

from common.errors import ScrapeError, ScrapeFailure
from common.secrets import redacted

# By OpenSSL's names; what is not here is told by its name.
_TLS = {
    "WRONG_VERSION_NUMBER": "the server does not speak TLS (is its scheme http?)",
    "RECORD_LAYER_FAILURE": "the server does not speak TLS (is its scheme http?)",
    "HTTP_REQUEST": "the server does not speak TLS (is its scheme http?)",
    "UNSUPPORTED_PROTOCOL": "the server offers no TLS version that is allowed (see min_version and max_version)",
    "TLSV1_ALERT_PROTOCOL_VERSION": "the server takes none of the TLS versions that are allowed (see min_version)",
    "NO_PROTOCOLS_AVAILABLE": "no TLS version is allowed (see min_version and max_version)",
    "SSLV3_ALERT_HANDSHAKE_FAILURE": "the server refused the handshake (no common cipher, or it wants a certificate)",
    "TLSV13_ALERT_CERTIFICATE_REQUIRED": "the server wants a client certificate (see cert_file and key_file)",
    "SSLV3_ALERT_BAD_CERTIFICATE": "the server refused the client certificate",
    "SSLV3_ALERT_CERTIFICATE_UNKNOWN": "the server refused the client certificate",
    "TLSV1_ALERT_UNKNOWN_CA": "the server does not know who signed the client certificate",
    "UNEXPECTED_EOF_WHILE_READING": "the server hung up during the handshake",
}


def failure(method: str, url: str, error: OSError, seconds: float | None = None) -> ScrapeError:
    """The failure of a request to `url`, which had so many seconds, as the operator reads it."""
    where = f"{method.capitalize()} {redacted(url)!r}"
    if isinstance(error, TimeoutError) and error.errno is None:
        after = "" if seconds is None else f" after {seconds:g} s"
        return ScrapeError(ScrapeFailure.TIMEOUT, f"{where}: context deadline exceeded{after}")
    return ScrapeError(ScrapeFailure.REFUSED, f"{where}: {why(error)}")


def why(error: OSError) -> str:
    """What an error of the network says."""
    if isinstance(error, ssl.SSLCertVerificationError):
        return f"tls: failed to verify certificate: {error.verify_message.rstrip('.')}"
    if isinstance(error, ssl.SSLError):
        reason = getattr(error, "reason", None) or str(error)  # only errors of OpenSSL itself have one
        return "tls: " + _TLS.get(reason, reason.lower().replace("_", " "))
    if isinstance(error, ConnectionRefusedError):
        return "connection refused"
    return (error.strerror or str(error) or type(error).__name__).lower()
