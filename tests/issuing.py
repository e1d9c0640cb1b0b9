"""An issuer whose keys a test may add, withdraw and hide, and tokens written byte by byte."""

import asyncio
import json
import threading
import time
from base64 import urlsafe_b64encode
from contextlib import suppress
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import jwt
from chassis.settings import Settings
from chassis.tokens import Tokens
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa
from jwt.algorithms import ECAlgorithm, OKPAlgorithm, RSAAlgorithm

ISSUER, AUDIENCE = "https://login.example", "crm"
RSA = rsa.generate_private_key(public_exponent=65537, key_size=2048)
EC = ec.generate_private_key(ec.SECP256R1())
ED = ed25519.Ed25519PrivateKey.generate()
SIGNERS = {"RS256": RSA, "ES256": EC, "EdDSA": ED}


def public(key: Any, kid: Any, **more: Any) -> dict[str, Any]:
    """The JWK of a private key's public half; a member given as None is left out."""
    kinds = {rsa.RSAPrivateKey: RSAAlgorithm, ec.EllipticCurvePrivateKey: ECAlgorithm}
    kind = next((found for of, found in kinds.items() if isinstance(key, of)), OKPAlgorithm)
    found = kind.to_jwk(key.public_key(), as_dict=True) | {"kid": kid, "use": "sig"} | more
    return {name: value for name, value in found.items() if value is not None}


class KeyEndpoint:
    """Serves `keys` as a JWKS, or `body` if that is set; waits while `open` is not set; counts the questions."""

    def __init__(self, *keys: dict[str, Any]) -> None:
        self.keys, self.body, self.status, self.asked = list(keys), None, 200, 0
        self.open = threading.Event()
        self.open.set()
        outer = self

        class Serve(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                outer.asked += 1
                outer.open.wait(10)
                self.send_response(outer.status)
                self.end_headers()
                body = outer.body if outer.body is not None else json.dumps({"keys": outer.keys}).encode()
                with suppress(ConnectionError):  # who asked has had enough
                    self.wfile.write(body)

            def log_message(self, *_: object) -> None:
                pass

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Serve)
        threading.Thread(target=self._server.serve_forever, args=(0.02,), daemon=True).start()
        self.url = f"http://127.0.0.1:{self._server.server_port}/jwks.json"

    def close(self) -> None:
        self.open.set()
        self._server.shutdown()
        self._server.server_close()


def verifier(url: str, clock: Any = time.time, **given: Any) -> Tokens:
    """What a service would verify with."""
    known = dict.fromkeys(Settings.__dataclass_fields__, "")
    wanted = {"oidc_issuer": ISSUER, "oidc_audience": AUDIENCE, "oidc_jwks_url": url, "oidc_lifetime_seconds": 900}
    return Tokens(Settings(**(known | wanted | given)), clock)


def claims(now: float | None = None, **more: Any) -> dict[str, Any]:
    """The claims of a good token made at `now`; a claim given as `...` is left out."""
    begins = int(time.time() if now is None else now)
    found = {"iss": ISSUER, "aud": AUDIENCE, "sub": "users/ana", "iat": begins, "exp": begins + 600} | more
    return {name: value for name, value in found.items() if value is not ...}


def segment(content: object) -> str:
    raw = content if isinstance(content, bytes) else json.dumps(content).encode()
    return urlsafe_b64encode(raw).decode().rstrip("=")


def signed(header: object, body: object, key: Any = RSA, algorithm: str = "RS256") -> str:
    """A token of exactly these bytes (or of the JSON of these objects), truly signed."""
    text = f"{segment(header)}.{segment(body)}"
    signature = jwt.get_algorithm_by_name(algorithm).sign(text.encode(), key)
    return f"{text}.{segment(signature)}"


def token(kid: str = "rsa", algorithm: str = "RS256", key: Any = None, **more: Any) -> str:
    """A good token but for what `more` says."""
    return signed({"alg": algorithm, "kid": kid}, claims(**more), key or SIGNERS[algorithm], algorithm)


async def asked(tokens: Tokens, text: str) -> str:
    """Who the token is of."""
    return await asyncio.wait_for(tokens.subject(f"Bearer {text}"), 5)
