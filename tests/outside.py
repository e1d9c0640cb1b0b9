"""The world outside of leads: a token endpoint, and a neighbour that answers as sales would, or does not."""

import asyncio
import json
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import parse_qs

import grpc
import grpc.aio
from chassis.errors import CrmError
from chassis.stack.ports import free_ports
from chassis.statuses import to_status
from chassis.values import derived_id
from crm.sales.v1 import sales_pb2
from harness import Issuer


class TokenEndpoint:
    """OAuth 2.0 client credentials over HTTP: the secret of every client is `secret`."""

    def __init__(self, issuer: Issuer) -> None:
        self.asked: list[str] = []
        asked = self.asked

        class Serve(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                form = parse_qs(self.rfile.read(int(self.headers["Content-Length"])).decode())
                known = form["client_secret"] == ["secret"] and form["grant_type"] == ["client_credentials"]
                asked.append(form["client_id"][0])
                self.send_response(200 if known else 401)
                self.end_headers()
                token = issuer.token(form["client_id"][0]) if known else ""
                self.wfile.write(json.dumps({"access_token": token, "expires_in": 600}).encode())

            def log_message(self, *_: object) -> None:
                pass

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Serve)
        threading.Thread(target=self._server.serve_forever, daemon=True).start()
        self.url = f"http://127.0.0.1:{self._server.server_port}/token"

    def close(self) -> None:
        self._server.shutdown()
        self._server.server_close()


class Sales:
    """Makes one account, contact and opportunity for each lead. `refuse` makes it answer errors, `open` lets calls
    through, `asked` are the requests with their metadata."""

    def __init__(self) -> None:
        self.address = f"127.0.0.1:{free_ports(1)[0]}"
        self.asked: list[tuple[sales_pb2.AcceptLeadRequest, dict[str, str]]] = []
        self.refuse: list[CrmError] = []
        self.open = asyncio.Event()
        self.open.set()
        self._server: grpc.aio.Server | None = None

    async def start(self) -> None:
        handler = grpc.unary_unary_rpc_method_handler(
            self._accept_lead,
            sales_pb2.AcceptLeadRequest.FromString,
            sales_pb2.AcceptLeadResponse.SerializeToString,
        )
        self._server = grpc.aio.server(options=[("grpc.so_reuseport", 0)])
        self._server.add_generic_rpc_handlers(
            [grpc.method_handlers_generic_handler("crm.sales.v1.SalesService", {"AcceptLead": handler})]
        )
        self._server.add_insecure_port(self.address)
        await self._server.start()

    async def stop(self) -> None:
        if self._server:
            await self._server.stop(None)
            self._server = None

    async def _accept_lead(self, request: sales_pb2.AcceptLeadRequest, call: grpc.aio.ServicerContext) -> object:
        self.asked.append((request, dict(call.invocation_metadata())))
        await self.open.wait()
        if self.refuse:
            await call.abort_with_status(to_status(self.refuse.pop(0)))
        key = derived_id(request.lead)
        return sales_pb2.AcceptLeadResponse(
            account=f"accounts/{key}", contact=f"contacts/{key}", opportunity=f"opportunities/{key}"
        )
