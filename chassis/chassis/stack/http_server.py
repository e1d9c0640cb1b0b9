"""The HTTP server of the stack's own small processes."""

import uvicorn
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response


async def _ready(_: Request) -> Response:
    return PlainTextResponse("ok\n")


def serve(app: Starlette, address: str) -> None:
    """Serve `app` and /readyz on `host:port` until SIGTERM."""
    app.add_route("/readyz", _ready)
    host, _, port = address.rpartition(":")
    # Keep-alive connections of services must not hold up a stop.
    uvicorn.run(app, host=host, port=int(port), log_level="warning", access_log=False, timeout_graceful_shutdown=1)
