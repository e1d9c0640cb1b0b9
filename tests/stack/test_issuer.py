"""Tokens of the local issuer: who gets one, and that the published key verifies it."""

import time

import httpx
import jwt
import pytest
from chassis.stack.issuer import LIFETIME_SECONDS
from chassis.stack.secrets_file import Secrets

from stack.suite import Suite


def claims(suite: Suite, token: str) -> dict[str, object]:
    """What a token says, verified as a service would: keys found through discovery."""
    issuer = suite.addresses["issuer"]
    discovery = httpx.get(f"{issuer}/.well-known/openid-configuration").json()
    assert discovery["issuer"] == issuer
    key = jwt.PyJWKClient(discovery["jwks_uri"]).get_signing_key_from_jwt(token)
    verified: dict[str, object] = jwt.decode(token, key, algorithms=["RS256"], audience="crm", issuer=issuer)
    return verified


def grant(suite: Suite, **request: object) -> httpx.Response:
    return httpx.post(f"{suite.addresses['issuer']}/token", **request)


@pytest.mark.parametrize("client", ["services/leads", "serviceAccounts/importer"])
def test_a_client_gets_a_token_of_itself_for_its_secret(suite: Suite, client: str) -> None:
    secret = Secrets.load(suite.data_dir / "secrets.json").clients[client]
    form = {"grant_type": "client_credentials", "client_id": client, "client_secret": secret}
    answer = grant(suite, data=form)
    assert answer.status_code == 200
    assert answer.json()["expires_in"] == LIFETIME_SECONDS <= 15 * 60
    said = claims(suite, answer.json()["access_token"])
    assert said["sub"] == client
    assert time.time() < said["exp"] <= time.time() + 15 * 60


def test_the_secret_may_come_as_basic_authentication(suite: Suite) -> None:
    secret = Secrets.load(suite.data_dir / "secrets.json").clients["services/sales"]
    answer = grant(suite, data={"grant_type": "client_credentials"}, auth=("services%2Fsales", secret))
    assert claims(suite, answer.json()["access_token"])["sub"] == "services/sales"


@pytest.mark.parametrize(
    ("client", "secret"), [("services/leads", "wrong"), ("services/leads", ""), ("users/ana", ""), ("", "")]
)
def test_a_wrong_secret_or_an_unknown_client_gets_no_token(suite: Suite, client: str, secret: str) -> None:
    form = {"grant_type": "client_credentials", "client_id": client, "client_secret": secret}
    answer = grant(suite, data=form)
    assert (answer.status_code, answer.json()) == (401, {"error": "invalid_client"})


def test_no_other_grant_is_given(suite: Suite) -> None:
    answer = grant(suite, data={"grant_type": "password", "username": "ana", "password": "x"})
    assert (answer.status_code, answer.json()["error"]) == (400, "unsupported_grant_type")


def test_the_published_key_has_no_private_part(suite: Suite) -> None:
    (key,) = httpx.get(f"{suite.addresses['issuer']}/jwks.json").json()["keys"]
    assert set(key) == {"kty", "n", "e", "kid", "use", "alg"}
