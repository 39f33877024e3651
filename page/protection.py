"""What keeps other people's pages and programs out: every request and every WebSocket passes here first.

A browser that has any page open can be made to send requests to this machine. So the name under which the server was
called must be its own, which stops names that are made to lead here (DNS rebinding); a page of another origin is
refused; and where the server listens to other machines, everything but the page itself needs the token.
"""

from __future__ import annotations

import hmac
import ipaddress
import socket
from collections.abc import Collection
from urllib.parse import urlsplit

from starlette.datastructures import Headers, MutableHeaders, QueryParams
from starlette.responses import JSONResponse
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from page.guests import welcome

OWN_NAMES = frozenset({"localhost", "localhost.localdomain"})
API = "/api/"
"""The beginning of the addresses that need the token."""

CONTENT_POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; img-src 'self' blob: data:; "
    "media-src 'self' blob:; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
)
HEADERS = {
    "Content-Security-Policy": CONTENT_POLICY,
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
    "Referrer-Policy": "no-referrer",  # the address holds the token
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Permissions-Policy": "camera=(self), microphone=(), geolocation=()",
    "Cache-Control": "no-store",
}
"""Sent with every answer."""


def list_own_names(host: str) -> frozenset[str]:
    """List the names, beside addresses in numbers, that the server may be called by, in small letters.

    Args:
        host: what --host says.
    """
    machine = socket.gethostname().lower()
    return OWN_NAMES | {host.lower(), machine, f"{machine.partition('.')[0]}.local"}


def is_own_host(host: str, names: Collection[str]) -> bool:
    """Whether a Host header names this server: an address in numbers, which nobody can redirect, or an own name."""
    try:
        name = urlsplit(f"//{host}").hostname or ""
        ipaddress.ip_address(name)
    except ValueError:
        return host != "" and name_of(host) in names
    return True


def is_private(scope: Scope) -> bool:
    """Whether a request asks for more than the page itself, which is the same for everyone."""
    return scope["type"] == "websocket" or str(scope["path"]).startswith(API)


def name_of(host: str) -> str:
    """The name in a Host header, without the port; "" where there is none."""
    try:
        return (urlsplit(f"//{host}").hostname or "").removesuffix(".")
    except ValueError:
        return ""


class Protection:
    """The outermost layer of the application.

    Args:
        app: the application.
        names: the names that the server may be called by.
        token: the secret that requests must hold; None where only this machine reaches the server.
    """

    def __init__(self, app: ASGIApp, names: Collection[str], token: str | None) -> None:
        self._app = app
        self._names = names
        self._token = token

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request: refuse it, or hand it on."""
        if scope["type"] not in {"http", "websocket"}:
            await self._app(scope, receive, send)
            return

        async def send_protected(message: Message) -> None:
            if message["type"] == "http.response.start":
                headers = MutableHeaders(scope=message)
                for name, value in HEADERS.items():
                    headers.setdefault(name, value)
            await send(message)

        refusal = self.find_refusal(scope)
        if not refusal:
            if is_private(scope):
                welcome(scope)
            await self._app(scope, receive, send_protected)
        elif scope["type"] == "websocket":
            await receive()  # the request itself
            await send({"type": "websocket.close", "code": 1008, "reason": refusal})
        else:
            await JSONResponse({"error": refusal}, 403)(scope, receive, send_protected)

    def find_refusal(self, scope: Scope) -> str:
        """Say why a request is refused; "" where it is not."""
        headers = Headers(scope=scope)
        hosts = headers.getlist("host")
        if len(hosts) != 1 or not is_own_host(hosts[0], self._names):
            return "this server is not known by the name in the address: use its address in numbers"
        origin = headers.get("origin")
        if origin is not None and origin.lower() not in {f"{kind}://{hosts[0].lower()}" for kind in ("http", "https")}:
            return "a page of another origin may not use this server"
        # Browsers say so of requests that name no origin: pictures, scripts, links.
        if is_private(scope) and headers.get("sec-fetch-site", "none") not in {"same-origin", "none"}:
            return "a page of another origin may not use this server"
        if is_private(scope) and self._token is not None and not self._holds_token(scope, headers):
            return "the token is missing or wrong: open the page at the address that the server printed"
        return ""

    def _holds_token(self, scope: Scope, headers: Headers) -> bool:
        given = headers.get("x-token") or QueryParams(scope["query_string"]).get("token") or ""
        # Compared in the same time wherever the first difference is.
        return hmac.compare_digest(given.encode(errors="replace"), (self._token or "").encode())
