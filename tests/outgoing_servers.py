"""The servers that messages leave by: a real SMTP server and a real HTTP server, which say what they are told to."""

import json
import threading
from email import message_from_bytes, policy
from email.message import EmailMessage
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

from aiosmtpd.controller import Controller
from aiosmtpd.smtp import SMTP
from chassis.stack.ports import free_ports


class MailServer:
    """Takes mail. `answers` are given to the next messages in place of a yes; `recipient` in place of a yes to RCPT."""

    def __init__(self, **how: Any) -> None:
        self.taken: list[EmailMessage] = []
        self.to: list[list[str]] = []
        self.answers: list[str] = []
        self.recipient = ""
        self._controller = Controller(self, hostname="127.0.0.1", port=free_ports(1)[0], **how)
        self._controller.start()
        self._closed = False
        self.address = f"127.0.0.1:{self._controller.port}"

    async def handle_RCPT(self, server: SMTP, session: Any, envelope: Any, address: str, options: list[str]) -> str:
        if self.recipient:
            return self.recipient
        envelope.rcpt_tos.append(address)
        return "250 OK"

    async def handle_DATA(self, server: SMTP, session: Any, envelope: Any) -> str:
        self.taken.append(message_from_bytes(envelope.content, policy=policy.default))
        self.to.append(envelope.rcpt_tos)
        return self.answers.pop(0) if self.answers else "250 taken"

    def close(self) -> None:
        if not self._closed:
            self._controller.stop()
        self._closed = True


class JsonServer:
    """Takes JSON and answers JSON. `answers` are (status, headers, body) for the next requests, then it says `usual`.
    `asked` are (method, path, headers, body)."""

    def __init__(self) -> None:
        self.asked: list[tuple[str, str, dict[str, str], Any]] = []
        self.answers: list[tuple[int, dict[str, str], bytes]] = []
        self.usual = b'{"status": "ok"}'
        outside = self

        class Serve(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                content = self.rfile.read(int(self.headers.get("content-length", 0)))
                headers = {name.lower(): value for name, value in self.headers.items()}
                outside.asked.append((self.command, self.path, headers, json.loads(content) if content else None))
                usual = 200, {}, outside.usual
                status, more, body = outside.answers.pop(0) if outside.answers else usual
                self.send_response(status)
                for name, value in more.items():
                    self.send_header(name, value)
                self.end_headers()
                try:
                    self.wfile.write(body)
                except OSError:
                    return  # the caller has heard enough

            do_POST = do_GET

            def log_message(self, *_: object) -> None:
                pass

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Serve)
        threading.Thread(target=self._server.serve_forever, daemon=True).start()
        self.url = f"http://127.0.0.1:{self._server.server_port}"

    def close(self) -> None:
        self._server.shutdown()
        self._server.server_close()
