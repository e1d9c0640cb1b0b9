"""Identity: every service believes the company's issuer, and nobody else."""

import base64
import json
import time

import jwt
import pytest
from chassis.errors import CrmError, Unauthenticated, Unavailable
from chassis.tokens import TokenRefused
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from harness import Person, until
from hypothesis import given, settings
from hypothesis import strategies as st
from lead_calls import create, listed


def claims(**more) -> dict:
    now = int(time.time())
    return {"iss": "https://issuer.test", "aud": "crm", "sub": "users/root", "iat": now, "exp": now + 600} | more


def part(value: object) -> str:
    return base64.urlsafe_b64encode(json.dumps(value).encode()).decode().rstrip("=")


async def refused(leads, token: str) -> CrmError:
    from crm.leads.v1 import leads_pb2

    with pytest.raises(CrmError) as error:
        await leads.call("LeadService/ListLeads", leads_pb2.ListLeadsRequest(), token=token)
    return error.value


async def test_a_token_of_the_issuer_is_believed(leads):
    assert await listed(leads, by="users/root")


@pytest.mark.parametrize("token", ["", "x", "a.b.c", "....", "é", "Bearer x", "0" * 4000])
async def test_garbage_is_no_token(leads, token):
    assert (await refused(leads, token.encode("ascii", "replace").decode())).code == "UNAUTHENTICATED"


@pytest.mark.parametrize(
    "wrong",
    [
        {"iss": "https://elsewhere.test"},
        {"aud": "mail"},
        {"aud": ["mail", "files"]},
        {"exp": 1},
        {"exp": int(time.time()) - 60},
        {"nbf": int(time.time()) + 3600},
        {"iat": int(time.time()) + 3600},
        {"sub": ""},
        {"sub": "users/stranger"},
        {"sub": "root"},
        {"exp": "soon"},
    ],
    ids=str,
)
async def test_a_token_that_is_not_for_us_and_now_is_refused(leads, issuer, wrong):
    error = await refused(leads, issuer.token("users/root", **wrong))
    assert isinstance(error, Unauthenticated)


@pytest.mark.parametrize("missing", ["iss", "aud", "sub", "iat", "exp"])
async def test_a_token_without_a_claim_is_refused(leads, issuer, missing):
    body = {name: value for name, value in claims().items() if name != missing}
    token = jwt.encode(body, issuer._key, algorithm="RS256", headers={"kid": "test"})
    assert (await refused(leads, token)).code == "UNAUTHENTICATED"


async def test_a_clock_half_a_minute_off_is_forgiven(leads, issuer):
    now = int(time.time())
    from crm.leads.v1 import leads_pb2

    for times in ({"exp": now - 20, "iat": now - 600}, {"nbf": now + 20, "iat": now + 20}):
        token = issuer.token("users/root", **times)
        assert await leads.call("LeadService/ListLeads", leads_pb2.ListLeadsRequest(), token=token)


async def test_an_unsigned_token_is_refused(leads):
    for algorithm in ("none", "None", "NONE"):
        token = f"{part({'alg': algorithm, 'kid': 'test'})}.{part(claims())}."
        assert (await refused(leads, token)).code == "UNAUTHENTICATED"


async def test_the_public_key_is_no_shared_secret(leads, issuer):
    """The classic confusion: HS256 with the bytes of the RSA public key as its secret."""
    import hashlib
    import hmac

    from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

    secret = issuer._key.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)
    signed = f"{part({'alg': 'HS256', 'kid': 'test', 'typ': 'JWT'})}.{part(claims())}"
    signature = base64.urlsafe_b64encode(hmac.digest(secret, signed.encode(), hashlib.sha256)).decode().rstrip("=")
    assert (await refused(leads, f"{signed}.{signature}")).code == "UNAUTHENTICATED"


@pytest.mark.parametrize("algorithm", ["ES256", "EdDSA", "RS512", "PS256", "HS256", "", None, 7, ["RS256"]], ids=str)
async def test_a_token_that_names_another_algorithm_is_refused(leads, algorithm):
    token = f"{part({'alg': algorithm, 'kid': 'test'})}.{part(claims())}.{part('signature')}"
    assert (await refused(leads, token)).code == "UNAUTHENTICATED"


async def test_a_stolen_key_id_with_another_key_is_refused(leads):
    other = rsa.generate_private_key(public_exponent=65537, key_size=2048)
    token = jwt.encode(claims(), other, algorithm="RS256", headers={"kid": "test"})
    assert (await refused(leads, token)).code == "UNAUTHENTICATED"


async def test_a_key_of_another_kind_is_refused(leads):
    token = jwt.encode(claims(), ec.generate_private_key(ec.SECP256R1()), algorithm="ES256", headers={"kid": "test"})
    assert (await refused(leads, token)).code == "UNAUTHENTICATED"


@pytest.mark.parametrize("kid", ["unknown", "", None, 5, {"a": 1}], ids=str)
async def test_an_unknown_key_id_is_refused(leads, kid):
    token = f"{part({'alg': 'RS256', 'kid': kid})}.{part(claims())}.{part('signature')}"
    assert (await refused(leads, token)).code == "UNAUTHENTICATED"


async def test_a_token_of_deep_json_is_refused(leads):
    deep = base64.urlsafe_b64encode(b"[" * 3000).decode().rstrip("=")
    assert (await refused(leads, f"{deep}.{deep}.x")).code == "UNAUTHENTICATED"


@given(st.dictionaries(st.sampled_from(["alg", "kid", "typ", "crit", "b64"]), st.text() | st.none() | st.integers()))
@settings(max_examples=40, deadline=None)
async def test_any_header_is_refused_in_the_same_way(leads, header):
    with pytest.raises(TokenRefused):
        await leads.process._edge.tokens.subject(f"Bearer {part(header)}.{part(claims())}.x")


async def test_another_scheme_is_no_token(leads, issuer):
    with pytest.raises(TokenRefused):
        await leads.process._edge.tokens.subject(f"Basic {issuer.token('users/root')}")


async def test_a_token_is_refused_after_its_end_even_if_it_was_believed_before(leads, issuer):
    token = issuer.token("users/root", exp=int(time.time()) - 28)  # within the leeway, for two seconds more
    tokens = leads.process._edge.tokens

    async def is_refused():
        try:
            await tokens.subject(f"Bearer {token}")
        except TokenRefused:
            return True

    assert await until(is_refused, "the token has ended", seconds=6)


async def test_an_issuer_that_is_away_is_told_as_such(starting):
    leads = await starting(oidc_jwks_url="http://127.0.0.1:9/jwks.json")
    with pytest.raises(Unavailable) as away:
        await listed(leads)
    assert away.value.metadata["reason"] == "ISSUER_AWAY"


async def test_an_issuer_that_answers_nonsense_is_told_as_away(starting):
    other = await starting()
    leads = await starting(oidc_jwks_url=f"http://{other.admin_address}/livez")  # answers, but no keys
    with pytest.raises(Unavailable):
        await listed(leads)


async def test_a_deactivated_person_is_out_within_two_seconds(leads):
    await leads.know(Person("users/leaving", ("salesperson",), "teams/north"))
    assert await create(leads, by="users/leaving")
    row = "UPDATE member SET active = false WHERE name = 'users/leaving'"
    await leads.rows(row)

    async def out():
        try:
            await listed(leads, by="users/leaving")
        except Unauthenticated:
            return True

    assert await until(out, "users/leaving is refused", seconds=2)


async def test_the_bootstrap_administrator_needs_no_entry_in_directory(leads):
    assert await listed(leads, by="users/admin")


async def test_a_bootstrap_administrator_who_was_deactivated_is_out(starting):
    leads = await starting()
    await leads.know(Person("users/admin", ("administrator",), active=False))
    with pytest.raises(Unauthenticated):
        await listed(leads, by="users/admin")


async def test_the_token_names_no_roles(leads, issuer):
    from crm.leads.v1 import leads_pb2

    token = issuer.token("users/dora", roles=["administrator"], scope="leads.read")
    with pytest.raises(CrmError) as error:
        await leads.call("LeadService/ListLeads", leads_pb2.ListLeadsRequest(), token=token)
    assert error.value.code == "PERMISSION_DENIED"


async def test_a_refused_token_is_counted_and_audited_in_bounds_without_the_token(starting, issuer, caplog):
    leads = await starting()
    forged = [issuer.token("users/root", aud=f"mail-{number}") for number in range(200)]
    caplog.set_level("DEBUG")
    for token in forged:
        await refused(leads, token)
    await refused(leads, "")
    await leads.process.context.audit.flush()
    rows = await leads.rows("SELECT kind, operation, source, details::text FROM audit_entry WHERE actor = 'anonymous'")
    kept = [row for row in rows if row["kind"] == "DENIED"]
    assert 0 < len(kept) <= 60
    assert {json.loads(row["details"])["why"] for row in kept} == {"audience"}  # who shows no token is not audited
    assert all(
        row["operation"] == "crm.leads.v1.LeadService/ListLeads" and "127.0.0.1" in row["source"] for row in kept
    )
    counted = sum(json.loads(row["details"])["refusals"] for row in rows if row["kind"] == "NOT_RECORDED")
    assert counted == 200 - len(kept)
    metrics = await leads.process.metrics()
    assert 'crm_tokens_refused_total{reason="audience"} 200' in metrics
    assert 'crm_tokens_refused_total{reason="missing"} 1' in metrics
    said = caplog.text + metrics + "".join(row["details"] for row in rows)
    assert not [token for token in forged if token.split(".")[1] in said or token.split(".")[2] in said]


@pytest.mark.parametrize("subject", ["services/mallory", "services/", "services/leads/x", "services/Leads", "services"])
async def test_only_the_services_of_the_suite_are_believed_to_be_services(leads, issuer, subject):
    """A client of the issuer may be called anything; the rights of a service are for those that there are."""
    error = await refused(leads, issuer.token(subject))
    assert error.metadata["reason"] == "CALLER_UNKNOWN"
    assert await listed(leads, by="services/sales")
