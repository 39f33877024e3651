"""The application that the server runs: which address is answered by what, behind the protection."""

from __future__ import annotations

from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.middleware import Middleware
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route, WebSocketRoute

from page.protection import Protection, list_own_names
from page.sessions import MISTAKE
from page.site import Site, refuse

SESSION = "/api/session/{id}"


def make_app(site: Site, host: str = "127.0.0.1", token: str | None = None) -> Starlette:
    """Make the application.

    Args:
        site: what answers.
        host: the address that the server listens on.
        token: the secret that requests must hold; None for none.
    """
    routes = [
        Route("/", site.show_page),
        Route("/static/{name}", site.show_static),
        Route("/api/model", site.show_model),
        WebSocketRoute("/api/session", site.talk),
        Route(f"{SESSION}/video", site.take_video, methods=["POST"]),
        Route(f"{SESSION}/files/{{kind}}", site.give_file),
        Route(f"{SESSION}/picture/{{seconds:float}}.jpg", site.give_picture),
        Route(f"{SESSION}/heat/{{index}}.jpg", site.give_heat),
        Route(f"{SESSION}/nbest/{{index}}", site.give_guesses),
    ]
    protection = Middleware(Protection, names=list_own_names(host), token=token)
    return Starlette(
        routes=routes, middleware=[protection], exception_handlers={HTTPException: _refuse_http, 500: _say_mistake}
    )


async def _refuse_http(_: Request, error: Exception) -> Response:
    """What the router refuses: an address that is not there, or a method that it does not have."""
    if isinstance(error, HTTPException):
        return refuse(error.status_code, error.detail, error.headers)
    return refuse(500, MISTAKE)


async def _say_mistake(_: Request, __: Exception) -> Response:
    return refuse(500, MISTAKE)
