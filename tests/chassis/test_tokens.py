"""Tokens: what is read, what is refused, and at which second."""

import hashlib
import hmac
import json

import pytest
from chassis.tokens import TokenLivesTooLong, TokenRefused
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from hypothesis import given, settings
from hypothesis import strategies as st
from issuing import EC, ED, RSA, SIGNERS, KeyEndpoint, asked, claims, public, segment, signed, token, verifier

from chassis import tokens as module

NOW = 1_800_000_000
HEADER = {"alg": "RS256", "kid": "rsa"}


@pytest.fixture(scope="module")
def endpoint():
    running = KeyEndpoint(public(RSA, "rsa"), public(EC, "ec"), public(ED, "ed"))
    yield running
    running.close()


@pytest.fixture(scope="module")
def tokens(endpoint):
    return verifier(endpoint.url)


async def why(tokens, text: str) -> str:
    with pytest.raises(TokenRefused) as refused:
        await asked(tokens, text)
    assert refused.value.message.startswith(refused.type.__doc__[:20])  # and no word about the cause
    assert not refused.value.metadata
    return refused.value.why


@pytest.mark.parametrize(("kid", "algorithm"), [("rsa", "RS256"), ("ec", "ES256"), ("ed", "EdDSA")])
async def test_each_kind_of_key_signs_tokens_that_are_believed(tokens, kid, algorithm):
    assert await asked(tokens, token(kid, algorithm)) == "users/ana"


@pytest.mark.parametrize(
    ("times", "refused"),
    [
        ({"iat": NOW - 600, "exp": NOW - 29}, ""),
        ({"iat": NOW - 600, "exp": NOW - 30}, "expired"),
        ({"iat": NOW + 30}, ""),
        ({"iat": NOW + 31}, "not_yet_valid"),
        ({"nbf": NOW + 30}, ""),
        ({"nbf": NOW + 31}, "not_yet_valid"),
        ({"iat": NOW, "exp": NOW + 900}, ""),
        ({"iat": NOW, "exp": NOW + 901}, "lifetime"),
        ({"iat": NOW - 86400, "exp": NOW + 60}, "lifetime"),
        ({"iat": NOW - 1.5, "exp": NOW + 0.25}, ""),
    ],
    ids=str,
)
async def test_the_clocks_of_issuer_and_service_may_differ_by_half_a_minute(endpoint, times, refused):
    tokens = verifier(endpoint.url, lambda: NOW)
    text = signed(HEADER, claims(NOW) | times)
    assert (await why(tokens, text) if refused else await asked(tokens, text)) == (refused or "users/ana")


@pytest.mark.parametrize("skew", [-31, -29, 29, 31])
async def test_a_service_whose_clock_is_wrong_by_more_refuses_what_is_fresh_or_near_its_end(endpoint, skew):
    """A token of ten minutes, shown in its first second and in its last, to a clock that is `skew` seconds wrong."""
    text = signed(HEADER, claims(NOW))
    answers = []
    for moment in (NOW, NOW + 599):
        tokens = verifier(endpoint.url, lambda moment=moment: moment + skew)
        answers.append(await asked(tokens, text) if -30 <= skew <= 30 or (skew < 0) == (moment > NOW) else "")
        if not answers[-1]:
            assert await why(tokens, text) == ("not_yet_valid" if skew < 0 else "expired")
    assert all(answers) == (abs(skew) <= 30)


async def test_a_remembered_token_ends_with_its_own_end(endpoint):
    now = [float(NOW)]
    tokens, text = verifier(endpoint.url, lambda: now[0]), signed(HEADER, claims(NOW))
    assert await asked(tokens, text) == "users/ana"
    now[0] = NOW + 629.9
    assert await asked(tokens, text) == "users/ana"
    now[0] = NOW + 630
    assert await why(tokens, text) == "expired"


async def test_a_token_that_lives_too_long_is_told_so_and_the_bound_is_a_setting(endpoint):
    text = signed(HEADER, claims(exp=claims()["iat"] + 3600))
    with pytest.raises(TokenLivesTooLong):
        await asked(verifier(endpoint.url), text)
    assert await asked(verifier(endpoint.url, oidc_lifetime_seconds=3600), text)


BAD_TIMES = ["1900000000", "", None, True, [], {}, -1, -1e9, 1e308 * 10, 10**400, [1900000000], "soon"]


@pytest.mark.parametrize("value", BAD_TIMES, ids=lambda value: str(value)[:20])
@pytest.mark.parametrize("name", ["exp", "iat", "nbf"])
async def test_a_time_that_is_no_number_of_seconds_is_refused(tokens, name, value):
    assert await why(tokens, signed(HEADER, claims(**{name: value}))) in ("times", "form")


@pytest.mark.parametrize("text", ["NaN", "Infinity", "-Infinity", "1e400", "0x7fffffff", "1_9", "9" * 5000])
async def test_a_time_that_json_does_not_know_is_refused(tokens, text):
    body = json.dumps(claims(exp="@")).replace('"@"', text).encode()
    assert await why(tokens, signed(HEADER, body)) in ("times", "form")


@pytest.mark.parametrize("audience", ["crm", ["crm"], ["mail", "crm"], ["crm", 5]], ids=str)
async def test_an_audience_that_contains_us_is_ours(tokens, audience):
    assert await asked(tokens, token(aud=audience))


@pytest.mark.parametrize("audience", ["mail", ["mail"], [], "", None, 5, {"crm": 1}, [["crm"]], "crm2", "CRM", ...])
async def test_an_audience_without_us_is_refused(tokens, audience):
    assert await why(tokens, token(aud=audience)) == "audience"


@pytest.mark.parametrize(
    "issuer", ["https://login.example/", "https://LOGIN.example", "", None, ["https://login.example"], 5, ...]
)
async def test_another_issuer_is_refused_however_alike_its_name(tokens, issuer):
    assert await why(tokens, token(iss=issuer)) == "issuer"


SUBJECTS = ["", None, 5, ["users/ana"], {"a": 1}, True, "users/ana\0", "users/ana\n", "\ud800", "x" * 256, ...]


@pytest.mark.parametrize("subject", SUBJECTS, ids=repr)
async def test_a_subject_that_is_no_name_is_refused(tokens, subject):
    assert await why(tokens, token(sub=subject)) == "subject"


@pytest.mark.parametrize("subject", ["users/ана", "王小明", "João", "x" * 255])
async def test_a_subject_may_be_in_any_script(tokens, subject):
    assert await asked(tokens, token(sub=subject)) == subject


def rewritten(text: str, number: int, change) -> str:
    parts = text.split(".")
    parts[number] = change(parts[number])
    return ".".join(parts)


FORMS = {
    "padding": lambda text: text + "==",
    "a line break": lambda text: text + "\n",
    "a space before": lambda text: " " + text,
    "a space within": lambda text: rewritten(text, 1, lambda part: part[:9] + " " + part[9:]),
    "the other base64 alphabet": lambda text: rewritten(text, 0, lambda part: part + "+/"),
    "a fourth segment": lambda text: text + ".x",
    "five segments, as of an encrypted token": lambda text: f"{text}.x.y",
    "ten thousand segments": lambda text: text + ".x" * 10_000,
    "two segments": lambda text: text.rpartition(".")[0],
    "no signature": lambda text: text.rpartition(".")[0] + ".",
    "no header": lambda text: "." + text.partition(".")[2],
    "no claims": lambda text: rewritten(text, 1, lambda _: ""),
    "nine thousand characters": lambda text: rewritten(text, 1, lambda part: part + "A" * 9000),
    "letters of another script": lambda text: rewritten(text, 1, lambda part: part + "д"),
    "a digit of another script": lambda text: rewritten(text, 1, lambda part: part + "٣"),
    "the token in quotes": lambda text: f'"{text}"',
    "two tokens": lambda text: f"{text},{text}",
}


@pytest.mark.parametrize("form", FORMS)
async def test_a_token_in_another_form_is_refused(tokens, form):
    assert await why(tokens, FORMS[form](token())) in ("form", "signature")


async def test_a_signature_has_one_spelling_only(tokens):
    """256 bytes leave four bits of the last character without meaning: sixteen spellings of one signature."""
    alphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"
    text = token()
    believed = []
    for last in alphabet:
        try:
            await asked(tokens, text[:-1] + last)
            believed.append(last)
        except TokenRefused:
            pass
    assert believed == [text[-1]]


@given(st.data())
@settings(max_examples=300, deadline=None)
async def test_a_token_with_any_character_changed_is_refused(tokens, data):
    text = token(*data.draw(st.sampled_from([("rsa", "RS256"), ("ec", "ES256"), ("ed", "EdDSA")])))
    place = data.draw(st.integers(0, len(text) - 1))
    other = data.draw(st.characters(codec="ascii").filter(lambda character: character != text[place]))
    with pytest.raises(TokenRefused):
        await asked(tokens, text[:place] + other + text[place + 1 :])


@pytest.mark.parametrize(
    "body",
    [
        '{"iss":"https://login.example","aud":"crm","sub":"users/eve","sub":"users/ana","iat":%d,"exp":%d}',
        '{"iss":"x","iss":"https://login.example","aud":"crm","sub":"users/ana","iat":%d,"exp":%d}',
    ],
)
async def test_a_claim_that_comes_twice_is_refused(tokens, body):
    good = claims()
    assert await why(tokens, signed(HEADER, (body % (good["iat"], good["exp"])).encode())) == "form"


@pytest.mark.parametrize("body", [b"", b"[]", b'"x"', b"1", b"null", b"{", b"\xff\xfe", b"[" * 3000, b"{}x", b"{}{}"])
async def test_claims_that_are_no_object_are_refused(tokens, body):
    assert await why(tokens, signed(HEADER, body)) in ("form", "signature")


HEADERS = {
    "a name that comes twice": b'{"alg":"RS256","kid":"other","kid":"rsa"}',
    "an algorithm that comes twice": b'{"alg":"none","alg":"RS256","kid":"rsa"}',
    "an extension that must be understood": HEADER | {"crit": ["exp"], "exp": 1},
    "an empty list of extensions": HEADER | {"crit": []},
    "claims that are not encoded": HEADER | {"b64": False, "crit": ["b64"]},
    "claims that are said to be encoded": HEADER | {"b64": True, "crit": ["b64"]},
    "the type of a logout token": HEADER | {"typ": "logout+jwt"},
    "the type of a security event": HEADER | {"typ": "secevent+jwt"},
    "a type that is no text": HEADER | {"typ": 5},
    "no key id": {"alg": "RS256"},
    "an empty key id": HEADER | {"kid": ""},
    "a path as key id": HEADER | {"kid": "../../dev/null"},
    "SQL as key id": HEADER | {"kid": "' UNION SELECT 'x"},
    "a key id that is no text": HEADER | {"kid": ["rsa"]},
    "no algorithm": {"kid": "rsa"},
}


@pytest.mark.parametrize("header", HEADERS)
async def test_a_header_that_says_more_or_less_than_we_understand_is_refused(tokens, header):
    assert await why(tokens, signed(HEADERS[header], claims())) in ("form", "unknown_key", "algorithm", "signature")


@pytest.mark.parametrize("kind", ["JWT", "jwt", "at+jwt", "application/at+jwt"])
async def test_the_types_of_an_access_token_are_read(tokens, kind):
    assert await asked(tokens, signed(HEADER | {"typ": kind}, claims()))


@pytest.mark.parametrize("known_id", [True, False])
async def test_a_key_that_the_token_brings_along_is_not_used(tokens, endpoint, known_id):
    """`jwk`, `jku`, `x5u` and `x5c` name a key of the forger's; it is neither used nor fetched."""
    forger = KeyEndpoint(public(EC, "forger"))
    try:
        for algorithm, key in (("ES256", EC), ("RS256", None)):
            header = {
                "alg": algorithm,
                "kid": "rsa" if known_id else "forger",
                "jwk": public(EC, "forger"),
                "jku": forger.url,
                "x5u": forger.url,
                "x5c": ["MIIB"],
            }
            text = signed(header, claims(), EC, "ES256") if key else f"{segment(header)}.{segment(claims())}.AAAA"
            assert await why(tokens, text) in ("algorithm", "signature", "unknown_key")
        assert forger.asked == 0
    finally:
        forger.close()
    ignored = signed(HEADER | {"jku": "http://127.0.0.1:9/", "jwk": public(EC, "x")}, claims())
    assert await asked(tokens, ignored) == "users/ana"  # signed by the issuer's key: what else it says is no matter


async def test_an_unsigned_token_is_refused_however_it_is_spelled(tokens):
    for algorithm in ("none", "None", "NONE", "nOnE", "none ", "", None, False):
        for signature in ("", "AA", segment(b"\0" * 256)):
            text = f"{segment(HEADER | {'alg': algorithm})}.{segment(claims())}.{signature}"
            assert await why(tokens, text) in ("form", "algorithm", "signature")


@pytest.mark.parametrize(("kid", "key"), [("rsa", RSA), ("ec", EC)])
async def test_a_public_key_in_any_form_is_no_shared_secret(tokens, kid, key):
    own = key.public_key()
    info = PublicFormat.SubjectPublicKeyInfo
    forms = [own.public_bytes(Encoding.PEM, info), own.public_bytes(Encoding.DER, info)]
    forms += [forms[0].strip(), json.dumps(public(key, kid)).encode(), kid.encode(), b""]
    for secret in forms:
        for algorithm, digest in (("HS256", hashlib.sha256), ("HS384", hashlib.sha384), ("HS512", hashlib.sha512)):
            text = f"{segment({'alg': algorithm, 'kid': kid})}.{segment(claims())}"
            forged = f"{text}.{segment(hmac.digest(secret, text.encode(), digest))}"
            assert await why(tokens, forged) == "algorithm"


@pytest.mark.parametrize("algorithm", ["RS384", "RS512", "PS256", "PS384"])
async def test_a_key_is_used_with_the_algorithm_it_is_published_for_only(tokens, algorithm):
    assert await why(tokens, signed({"alg": algorithm, "kid": "rsa"}, claims(), RSA, algorithm)) == "algorithm"


@pytest.mark.parametrize(("kid", "algorithm"), [("ec", "RS256"), ("ed", "ES256"), ("rsa", "EdDSA")])
async def test_a_token_signed_with_another_key_than_it_names_is_refused(tokens, kid, algorithm):
    text = signed({"alg": algorithm, "kid": kid}, claims(), SIGNERS[algorithm], algorithm)
    assert await why(tokens, text) in ("algorithm", "signature")


async def test_what_is_remembered_is_bounded(endpoint, monkeypatch):
    monkeypatch.setattr(module, "MOST_CACHED", 10)
    tokens = verifier(endpoint.url)
    for number in range(30):
        await asked(tokens, token("ec", "ES256", sub=f"users/{number}"))
        with pytest.raises(TokenRefused):
            await asked(tokens, token("ec", "ES256", sub=f"users/{number}", aud="mail"))
    assert len(tokens._verified) == 10
    assert all(len(key) == 32 for key in tokens._verified)  # hashes: a dump of the memory shows no token


async def test_refusals_are_counted_by_their_cause(endpoint):
    tokens = verifier(endpoint.url)
    for text in ("", "x", token(aud="mail"), token(aud="mail"), token("nobody")):
        with pytest.raises(TokenRefused):
            await asked(tokens, text)
    assert tokens.refused == {"missing": 1, "form": 1, "audience": 2, "unknown_key": 1}
