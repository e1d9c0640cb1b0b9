"""The issuer's keys: which are used, how they change, and what holds while the issuer is away."""

import asyncio
import json
import time

import pytest
from chassis.signing_keys import AGAIN_SECONDS, KEEP_SECONDS, REFRESH_SECONDS, IssuerAway, usable
from chassis.tokens import TokenRefused
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from harness import until
from issuing import EC, ED, RSA, KeyEndpoint, asked, public, token, verifier

OTHER = rsa.generate_private_key(public_exponent=65537, key_size=2048)
SECRET = {"kty": "oct", "kid": "secret", "k": "c2VjcmV0LXNlY3JldC1zZWNyZXQtc2VjcmV0LXNlY3JldA"}
P384 = public(ec.generate_private_key(ec.SECP384R1()), "x")


@pytest.fixture
def endpoint():
    running = KeyEndpoint(public(RSA, "rsa"))
    yield running
    running.close()


def ids(*keys: object) -> list[str]:
    return list(usable(json.dumps({"keys": keys}).encode()))


@pytest.mark.parametrize(
    "key",
    [
        public(RSA, "x", use="enc"),
        public(RSA, "x", use=None, key_ops=["encrypt"]),
        public(RSA, "x", key_ops="verify"),
        public(RSA, "x", alg="PS256"),
        public(RSA, "x", alg="HS256"),
        public(RSA, "x", alg="ES256"),
        public(RSA, "x", alg="none"),
        public(RSA, None),
        public(RSA, ""),
        public(RSA, 5),
        public(rsa.generate_private_key(public_exponent=65537, key_size=1024), "x"),
        public(RSA, "x", e="AQ"),
        public(RSA, "x", kty="EC"),
        public(EC, "x", kty="RSA"),
        public(EC, "x", crv="P-384"),
        public(EC, "x", alg="RS256"),
        P384,
        P384 | {"alg": "ES256"},
        public(EC, "x", y="AAAA"),
        public(ED, "x", crv="Ed448"),
        public(ED, "x", alg="ES256"),
        SECRET,
        SECRET | {"alg": "RS256"},
        {"kid": "x"},
        {},
        "x",
        None,
        [],
    ],
    ids=lambda key: json.dumps(key)[:80],
)
def test_a_key_that_should_verify_nothing_is_left_out(key):
    assert ids(key, public(RSA, "rsa")) == ["rsa"]


@pytest.mark.parametrize(
    "key",
    [
        public(RSA, "x"),
        public(RSA, "x", alg="RS256"),
        public(RSA, "x", use=None),
        public(RSA, "x", key_ops=["verify"]),
        public(EC, "x"),
        public(ED, "x"),
    ],
    ids=lambda key: json.dumps(key)[:80],
)
def test_a_key_that_may_verify_is_used(key):
    assert ids(key) == ["x"]


def test_an_id_that_two_keys_have_is_nobodys():
    assert ids(public(RSA, "x"), public(OTHER, "x"), public(EC, "ec")) == ["ec"]


@pytest.mark.parametrize("body", [b"", b"x", b"[]", b"{}", b'{"keys":{}}', b'{"keys":null}', b"null", b"[" * 9999])
def test_a_document_that_is_no_key_set_is_no_statement_about_keys(body):
    with pytest.raises(ValueError, match=r".*"):
        usable(body)


async def test_a_new_key_is_believed_at_once(endpoint):
    tokens = verifier(endpoint.url)
    assert await asked(tokens, token())
    endpoint.keys.append(public(OTHER, "new"))
    tokens.keys._not_before = 0.0  # nobody asked for an unknown key within the last second
    assert await asked(tokens, token("new", key=OTHER))
    assert endpoint.asked == 2


async def test_a_withdrawn_key_is_believed_no_longer_even_for_tokens_seen_before(endpoint):
    tokens, text = verifier(endpoint.url), token()
    assert await asked(tokens, text)
    endpoint.keys[:] = [public(OTHER, "new")]
    await tokens.keys.refresh()
    with pytest.raises(TokenRefused):
        await asked(tokens, text)
    assert await asked(tokens, token("new", key=OTHER))


async def test_another_key_under_the_same_id_ends_what_the_old_one_signed(endpoint):
    tokens, text = verifier(endpoint.url), token()
    assert await asked(tokens, text)
    endpoint.keys[:] = [public(OTHER, "rsa")]
    await tokens.keys.refresh()
    with pytest.raises(TokenRefused):
        await asked(tokens, text)


async def test_an_issuer_that_withdraws_all_keys_is_believed(endpoint):
    tokens, text = verifier(endpoint.url), token()
    assert await asked(tokens, text)
    endpoint.keys.clear()
    await tokens.keys.refresh()
    with pytest.raises(TokenRefused):
        await asked(tokens, text)


async def test_a_key_added_in_the_rotation_ends_nothing(endpoint):
    tokens, text = verifier(endpoint.url), token()
    await asked(tokens, text)
    endpoint.keys.append(public(OTHER, "new"))
    await tokens.keys.refresh()
    assert tokens.keys.generation == 0
    assert await asked(tokens, text)


async def test_the_keys_are_refreshed_in_the_background(endpoint, monkeypatch):
    monkeypatch.setattr("chassis.signing_keys.REFRESH_SECONDS", 0.05)
    tokens = verifier(endpoint.url)
    running = asyncio.create_task(tokens.keys.run())
    try:
        text = token()
        assert await asked(tokens, text)
        endpoint.keys[:] = [public(OTHER, "new")]

        async def out():
            try:
                await asked(tokens, text)
            except TokenRefused:
                return True

        assert await until(out, "the withdrawn key is out", 5)
    finally:
        running.cancel()
    assert REFRESH_SECONDS <= 60


async def test_made_up_key_ids_cost_the_issuer_one_question_a_second(endpoint):
    tokens = verifier(endpoint.url)
    began = time.monotonic()
    for _ in range(20):
        calls = [asked(tokens, token(f"made-up-{number}")) for number in range(50)]
        answers = await asyncio.gather(*calls, return_exceptions=True)
        assert {type(answer) for answer in answers} == {TokenRefused}
    assert endpoint.asked <= 1 + (time.monotonic() - began) / AGAIN_SECONDS


async def test_a_thousand_first_calls_ask_the_issuer_once(endpoint):
    tokens, text = verifier(endpoint.url), token()
    endpoint.open.clear()
    calls = [asyncio.create_task(asked(tokens, text)) for _ in range(1000)]
    asyncio.get_running_loop().call_later(0.2, endpoint.open.set)
    calls[0].cancel()  # one who gives up does not take the answer from the others
    answers = await asyncio.gather(*calls[1:], return_exceptions=True)
    waited = [answer for answer in answers if answer == "users/ana"]
    assert len(waited) == len(answers)
    assert endpoint.asked == 1


@pytest.mark.parametrize("trouble", ["closed", "status 500", "nonsense", "a page of HTML", "no keys member"])
async def test_an_outage_locks_out_no_valid_token_and_lets_in_no_other(endpoint, trouble):
    tokens, before = verifier(endpoint.url), token()
    await asked(tokens, before)
    endpoint.status = 500 if trouble == "status 500" else 200
    endpoint.body = {"nonsense": b"\xff\x00", "a page of HTML": b"<html>", "no keys member": b"{}"}.get(trouble)
    if trouble == "closed":
        endpoint.close()
    await tokens.keys.refresh()
    assert await asked(tokens, before)
    assert await asked(tokens, token(sub="users/boris")) == "users/boris"  # made after it began, with a known key
    for forged in (token(key=OTHER), token(aud="mail"), token(exp=1, iat=0), "x"):
        with pytest.raises(TokenRefused):
            await asked(tokens, forged)
    with pytest.raises(IssuerAway):  # nobody can tell whether this key came during the outage
        await asked(tokens, token("new", key=OTHER))
    if trouble != "closed":
        endpoint.body, endpoint.status = None, 200
        await tokens.keys.refresh()
        with pytest.raises(TokenRefused):
            await asked(tokens, token("new", key=OTHER))


async def test_keys_that_nobody_confirmed_for_a_day_are_believed_no_more(endpoint):
    tokens, text = verifier(endpoint.url), token()
    await asked(tokens, text)
    endpoint.close()
    tokens.keys._fetched -= KEEP_SECONDS - 10
    assert await asked(tokens, text)
    tokens.keys._fetched -= 10
    for shown in (text, token(sub="users/boris")):
        with pytest.raises(IssuerAway):
            await asked(tokens, shown)


async def test_an_issuer_that_hangs_holds_up_nobody_whose_key_is_known(endpoint):
    tokens = verifier(endpoint.url)
    await asked(tokens, token())
    endpoint.open.clear()
    refreshing = asyncio.create_task(tokens.keys.refresh())
    began = time.monotonic()

    async def under_way():
        return endpoint.asked == 2

    await until(under_way, "the refresh is under way", 5)
    assert await asked(tokens, token(sub="users/boris"))
    assert not refreshing.done()
    assert time.monotonic() - began < 1
    endpoint.open.set()
    await refreshing


async def test_a_key_set_without_end_is_an_outage_and_takes_no_memory(endpoint):
    tokens = verifier(endpoint.url)
    await asked(tokens, token())
    endpoint.body = b'{"keys":[' + b" " * 5_000_000
    await tokens.keys.refresh()
    assert await asked(tokens, token(sub="users/boris"))
    assert tokens.keys._failed
