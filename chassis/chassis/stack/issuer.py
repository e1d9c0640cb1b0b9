"""The local OIDC issuer: development has the same tokens as production, nothing is switched off.

`python -m chassis.stack.issuer` serves discovery, keys and the client-credentials grant; `mint` makes a token directly
for whoever may read the key file.
"""

import base64
import hashlib
import hmac
import os
import time
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, unquote

import jwt
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import rsa
from jwt.algorithms import RSAAlgorithm

from chassis.stack.errors import StackError
from chassis.stack.folder import DataFolder, write_private

AUDIENCE = "crm"
LIFETIME_SECONDS = 15 * 60
_BODY_LIMIT_BYTES = 16 * 1024


class SigningKey:
    """The RSA key of one data folder and its id (the RFC 7638 thumbprint)."""

    def __init__(self, pem: bytes) -> None:
        key = serialization.load_pem_private_key(pem, password=None)
        assert isinstance(key, rsa.RSAPrivateKey)
        self._key = key
        public = RSAAlgorithm.to_jwk(key.public_key(), as_dict=True)
        canonical = f'{{"e":"{public["e"]}","kty":"RSA","n":"{public["n"]}"}}'
        self.id = base64.urlsafe_b64encode(hashlib.sha256(canonical.encode()).digest()).rstrip(b"=").decode()
        self.public = {"kty": "RSA", "n": public["n"], "e": public["e"], "kid": self.id, "use": "sig", "alg": "RS256"}

    @classmethod
    def of(cls, folder: DataFolder) -> "SigningKey":
        """The folder's key, made at first use."""
        if not folder.issuer_key.exists():
            new = rsa.generate_private_key(public_exponent=65537, key_size=2048)
            pem = new.private_bytes(
                serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
            )
            write_private(folder.issuer_key, pem.decode())
        return cls(folder.issuer_key.read_bytes())

    def token(self, issuer: str, subject: str) -> str:
        """A signed token that says who: `users/ana`, `serviceAccounts/importer` or `services/leads`."""
        now = int(time.time())
        claims = {"iss": issuer, "aud": AUDIENCE, "sub": subject, "iat": now, "exp": now + LIFETIME_SECONDS}
        return jwt.encode(claims, self._key, algorithm="RS256", headers={"kid": self.id})


def mint(data_dir: Path, subject: str) -> str:
    """A token of the stack that runs in `data_dir`. Raises StackError if none runs there."""
    folder = DataFolder(data_dir)
    addresses = folder.addresses()
    if addresses is None:
        raise StackError(f"No stack runs in {folder.path}: start it with crmctl up, or name another with --data-dir.")
    return SigningKey.of(folder).token(addresses["issuer"], subject)


class Issuer:
    """The HTTP side. `clients` maps a client id to its secret; the client id is the subject of the tokens it gets."""

    def __init__(self, url: str, key: SigningKey, clients: dict[str, str]) -> None:
        self.url, self._key, self._clients = url, key, clients

    def discovery(self) -> dict[str, Any]:
        """OpenID Provider metadata, as far as there is any here: no person logs in."""
        return {
            "issuer": self.url,
            "jwks_uri": f"{self.url}/jwks.json",
            "token_endpoint": f"{self.url}/token",
            "grant_types_supported": ["client_credentials"],
            "token_endpoint_auth_methods_supported": ["client_secret_basic", "client_secret_post"],
            "id_token_signing_alg_values_supported": ["RS256"],
            "response_types_supported": ["token"],
            "subject_types_supported": ["public"],
        }

    def jwks(self) -> dict[str, Any]:
        """The public key."""
        return {"keys": [self._key.public]}

    def grant(self, authorization: str, body: bytes) -> tuple[int, dict[str, Any]]:
        """Answer a token request (RFC 6749 §4.4): the HTTP status and the JSON to send."""
        if len(body) > _BODY_LIMIT_BYTES:
            return 413, {"error": "invalid_request"}
        form = {name: values[0] for name, values in parse_qs(body.decode("utf-8", "replace")).items()}
        if form.get("grant_type") != "client_credentials":
            return 400, {"error": "unsupported_grant_type"}
        client, secret = _credentials(authorization) or (form.get("client_id", ""), form.get("client_secret", ""))
        # An unknown client is compared too, so that the time taken does not tell which clients exist.
        expected = self._clients.get(client, "")
        if not hmac.compare_digest(expected.encode(), secret.encode()) or not expected:
            return 401, {"error": "invalid_client"}
        token = self._key.token(self.url, client)
        return 200, {"access_token": token, "token_type": "Bearer", "expires_in": LIFETIME_SECONDS}


def _credentials(authorization: str) -> tuple[str, str] | None:
    scheme, _, encoded = authorization.partition(" ")
    if scheme.lower() != "basic":
        return None
    try:
        client, _, secret = base64.b64decode(encoded, validate=True).decode().partition(":")
    except ValueError:
        return None
    return unquote(client), unquote(secret)


def main() -> None:
    """Serve on ISSUER_ADDRESS the key and the clients of the stack in CRM_DATA_DIR."""
    # A server only when run as one: `crmctl token` imports this module for `mint` and should start fast.
    from starlette.applications import Starlette
    from starlette.requests import Request
    from starlette.responses import JSONResponse, Response
    from starlette.routing import Route

    from chassis.stack.http_server import serve
    from chassis.stack.secrets_file import Secrets

    folder, address = DataFolder(Path(os.environ["CRM_DATA_DIR"])), os.environ["ISSUER_ADDRESS"]
    issuer = Issuer(f"http://{address}", SigningKey.of(folder), Secrets.load(folder.secrets).clients)

    async def discovery(_: Request) -> Response:
        return JSONResponse(issuer.discovery())

    async def jwks(_: Request) -> Response:
        return JSONResponse(issuer.jwks())

    async def token(request: Request) -> Response:
        status, answer = issuer.grant(request.headers.get("authorization", ""), await request.body())
        return JSONResponse(answer, status, headers={"cache-control": "no-store"})

    routes = [
        Route("/.well-known/openid-configuration", discovery),
        Route("/jwks.json", jwks),
        Route("/token", token, methods=["POST"]),
    ]
    serve(Starlette(routes=routes), address)


if __name__ == "__main__":
    main()
