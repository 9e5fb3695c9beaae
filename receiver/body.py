"""Reading a pushed body: never more than MAX_BYTES of it, before and after it is inflated."""

from __future__ import annotations

import zlib

from common.exposition import request_header
from common.serving import Receive, Scope
from receiver.refusals import Refusal, shown, too_large, unsupported

MAX_BYTES = 1 << 20
_GZIP = 31  # zlib's way to say: with gzip's header and trailer


class Disconnected(Exception):  # noqa: N818  (what happened, not what went wrong)
    """The client went away before it had sent its whole push."""


async def read_body(scope: Scope, receive: Receive) -> bytes:
    """The body of a JSON request, inflated; raises Refusal or Disconnected."""
    media = request_header(scope, "content-type")
    if media.partition(";")[0].strip().lower() != "application/json":
        raise unsupported(f"Content-Type: expected application/json: {shown(media)}")
    coding = request_header(scope, "content-encoding").strip().lower()
    if coding not in ("", "identity", "gzip", "x-gzip"):
        raise unsupported(f"Content-Encoding: expected gzip or identity: {shown(coding)}")
    length = request_header(scope, "content-length")
    if length.isdigit() and int(length[:20]) > MAX_BYTES:
        raise too_large(MAX_BYTES)
    sink = _Inflated() if coding.endswith("gzip") else _Plain()
    taken = 0
    while True:
        message = await receive()
        if message["type"] == "http.disconnect":
            raise Disconnected
        chunk = message.get("body", b"")
        taken += len(chunk)
        if taken > MAX_BYTES:
            raise too_large(MAX_BYTES)
        sink.take(chunk)
        if not message.get("more_body", False):
            return sink.end()


class _Plain:
    def __init__(self) -> None:
        self._content = bytearray()

    def take(self, chunk: bytes) -> None:
        self._content += chunk

    def end(self) -> bytes:
        return bytes(self._content)


class _Inflated(_Plain):
    """Inflates as the chunks come and stops at the cap, so a bomb costs no more than an honest body."""

    def __init__(self) -> None:
        super().__init__()
        self._inflater = zlib.decompressobj(_GZIP)

    def take(self, chunk: bytes) -> None:
        try:
            super().take(self._inflater.decompress(chunk, MAX_BYTES + 1 - len(self._content)))
        except zlib.error as error:
            raise Refusal(f"body: not gzip: {error}") from None
        if len(self._content) > MAX_BYTES:
            raise too_large(MAX_BYTES)

    def end(self) -> bytes:
        if not self._inflater.eof:
            raise Refusal("body: the gzip stream ends early")
        if self._inflater.unused_data:
            raise Refusal("body: there is more after the gzip stream")
        return super().end()
