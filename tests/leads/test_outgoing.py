"""How messages leave: by a real SMTP server and a real HTTP server that take, refuse, hang up, or mislead."""

import asyncio
import datetime
import ssl

import pytest
from aiosmtpd.smtp import AuthResult
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from leads.domain.delivery import Way
from leads.outgoing import outside
from leads.outgoing.outside import Call, OutsideAway, OutsideRefused, ask
from leads.outgoing.providers import Letter, Misconfigured, outgoing
from outgoing_servers import JsonServer, MailServer

LETTER = Letter("m-1", "ana@example.com", "Нов клиент: 李", "Текст 李\n")


@pytest.fixture
def mail():
    server = MailServer()
    yield server
    server.close()


@pytest.fixture
def web():
    server = JsonServer()
    yield server
    server.close()


def configured(monkeypatch, way=Way.EMAIL, **settings):
    for name, value in ({"MAIL_FROM": "CRM <crm@rosa.example>"} | settings).items():
        monkeypatch.setenv(name, value)
    return outgoing().providers[way]


def sms(url, **more):
    import json

    return json.dumps({"url": f"{url}/messages", "body": {"to": "{to}", "parts": ["{text}"], "key": "{id}"}} | more)


async def test_a_letter_arrives_as_it_was_written(mail, monkeypatch):
    await configured(monkeypatch, SMTP_URL=f"smtp://{mail.address}").send(LETTER)
    (one,) = mail.taken
    assert (one["From"], one["To"], one["Subject"]) == ("CRM <crm@rosa.example>", LETTER.to, LETTER.subject)
    assert one["Message-ID"] == "<m-1@rosa.example>"
    assert one["Auto-Submitted"] == "auto-generated"
    assert one.get_content().replace("\r\n", "\n") == LETTER.text


async def test_a_domain_in_any_script_is_written_to(mail, monkeypatch):
    provider = configured(monkeypatch, SMTP_URL=f"smtp://{mail.address}")
    await provider.send(Letter("m", "maria@роза.example", "Здравей, " * 20, "t"))
    assert mail.to == [["maria@xn--80anuh.example"]]
    assert mail.taken[0]["Subject"].strip() == ("Здравей, " * 20).strip()


@pytest.mark.parametrize(
    ("answer", "kind", "said"),
    [("451 later", OutsideAway, "SMTP 451"), ("554 ana@example.com is spam", OutsideRefused, "SMTP 554")],
)
async def test_what_a_mail_server_says_is_kept_as_its_code_alone(mail, monkeypatch, answer, kind, said):
    mail.answers.append(answer)
    with pytest.raises(kind) as told:
        await configured(monkeypatch, SMTP_URL=f"smtp://{mail.address}").send(LETTER)
    assert str(told.value) == said


async def test_an_unknown_recipient_is_refused_for_good(mail, monkeypatch):
    mail.recipient = "550 no such user"
    with pytest.raises(OutsideRefused, match="SMTP 550"):
        await configured(monkeypatch, SMTP_URL=f"smtp://{mail.address}").send(LETTER)


@pytest.mark.parametrize(
    "to", ["ana,boris@example.com", "@", "ana@exa\r\nmple.com", "a b@example.com", "мария@example.com"]
)
async def test_an_address_that_is_none_is_no_second_recipient(mail, monkeypatch, to):
    with pytest.raises(OutsideRefused):
        await configured(monkeypatch, SMTP_URL=f"smtp://{mail.address}").send(Letter("m", to, "s", "t"))
    assert mail.taken == []


async def test_nobody_at_home_is_later_not_never(monkeypatch, mail):
    mail.close()
    with pytest.raises(OutsideAway, match="SMTP UNREACHABLE"):
        await configured(monkeypatch, SMTP_URL=f"smtp://{mail.address}").send(LETTER)


def certificate(folder):
    """A key and certificate for localhost that vouches for itself."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "localhost")])
    now = datetime.datetime.now(datetime.UTC)
    made = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(1)
        .not_valid_before(now - datetime.timedelta(days=1))
        .not_valid_after(now + datetime.timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName([x509.DNSName("localhost")]), critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .sign(key, hashes.SHA256())
    )
    private = key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    (folder / "key.pem").write_bytes(private)
    (folder / "cert.pem").write_bytes(made.public_bytes(serialization.Encoding.PEM))
    return folder / "cert.pem", folder / "key.pem"


@pytest.fixture
def guarded(tmp_path):
    """A mail server that wants TLS first, and then a password."""
    cert, key = certificate(tmp_path)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(cert, key)
    heard = []

    def let_in(server, session, envelope, mechanism, data):
        heard.append((data.login, data.password))
        return AuthResult(success=data.password == b"pass:word", handled=False)

    server = MailServer(tls_context=context, require_starttls=True, authenticator=let_in, auth_required=True)
    server.heard, server.certificate = heard, str(cert)
    yield server
    server.close()


def guarded_url(server, password="pass%3Aword"):
    return f"smtp+starttls://crm:{password}@localhost:{server.address.rpartition(':')[2]}"


async def test_a_password_goes_only_to_who_is_vouched_for(guarded, monkeypatch):
    with pytest.raises(OutsideAway):
        await configured(monkeypatch, SMTP_URL=guarded_url(guarded)).send(LETTER)
    assert guarded.heard == []
    monkeypatch.setenv("SSL_CERT_FILE", guarded.certificate)
    await configured(monkeypatch, SMTP_URL=guarded_url(guarded)).send(LETTER)
    assert guarded.heard == [(b"crm", b"pass:word")]
    assert len(guarded.taken) == 1


async def test_a_wrong_password_is_told_without_it(guarded, monkeypatch):
    monkeypatch.setenv("SSL_CERT_FILE", guarded.certificate)
    with pytest.raises(OutsideAway, match=r"^SMTP 535 LOGIN$"):
        await configured(monkeypatch, SMTP_URL=guarded_url(guarded, "wrong")).send(LETTER)


@pytest.mark.parametrize(
    ("settings", "said"),
    [
        ({"SMTP_URL": "smtp://crm:secret@mail.example"}, "a password that everybody can read"),
        ({"SMTP_URL": "mail.example"}, "begins with"),
        ({"SMTP_URL": "smtps://"}, "names no host"),
        ({"SMTP_URL": "smtps://mail.example", "MAIL_FROM": "crm"}, "MAIL_FROM"),
        ({"SMS_GATEWAY": "{"}, "no JSON"),
        ({"SMS_GATEWAY": "[]"}, "the body says"),
        ({"SMS_GATEWAY": '{"url": "https://x.example", "body": {"to": "{to}"}}'}, "the body says"),
        ({"SMS_GATEWAY": sms("file:///etc/passwd")}, "no http"),
        ({"SMS_GATEWAY": sms("https://a:b@x.example")}, "holds a password"),
        ({"COMPANY_LANGUAGE": "de"}, "COMPANY_LANGUAGE"),
    ],
)
def test_a_setting_that_cannot_be_meant_is_told_in_a_sentence_without_secrets(monkeypatch, settings, said):
    for name, value in settings.items():
        monkeypatch.setenv(name, value)
    with pytest.raises(Misconfigured, match=said) as told:
        outgoing()
    assert "secret" not in str(told.value)


async def test_a_gateway_gets_what_its_mapping_says(web, monkeypatch):
    gateway = sms(web.url, headers={"Authorization": "Bearer s3cret"}, accepted={"status": "ok"})
    provider = configured(monkeypatch, Way.SMS, SMS_GATEWAY=gateway)
    await provider.send(Letter("m-2", "+359888123456", "", "Обадете се {to}"))
    ((method, path, headers, body),) = web.asked
    assert (method, path) == ("POST", "/messages")
    assert (headers["authorization"], headers["idempotency-key"]) == ("Bearer s3cret", "m-2")
    assert body == {"to": "+359888123456", "parts": ["Обадете се {to}"], "key": "m-2"}
    assert "s3cret" not in repr(provider)
    web.answers.append((200, {}, b'{"status": "blocked"}'))
    with pytest.raises(OutsideRefused, match="NOT_ACCEPTED"):
        await provider.send(LETTER)


@pytest.mark.parametrize(
    ("status", "headers", "body", "kind", "said"),
    [
        (503, {}, b"", OutsideAway, "HTTP 503"),
        (429, {}, b"", OutsideAway, "HTTP 429"),
        (401, {}, b"token s3cret is wrong", OutsideRefused, "HTTP 401"),
        (200, {}, b"<html>", OutsideRefused, "NOT_JSON"),
        (200, {}, b"[" * 100_000, OutsideRefused, "NOT_JSON"),
        (200, {}, b'"' + b"x" * (outside.MOST_BYTES + 1) + b'"', OutsideRefused, "TOO_LARGE"),
        (200, {"Content-Length": "-5"}, b"{}", OutsideAway, "UNREACHABLE"),
    ],
)
async def test_an_answer_that_is_none_is_told_by_its_code(web, status, headers, body, kind, said):
    web.answers.append((status, headers, body))
    with pytest.raises(kind) as told:
        await ask(Call("GET", web.url, {}))
    assert str(told.value) == said


async def test_nobody_is_sent_on_to_another_server(web):
    inside = JsonServer()
    try:
        web.answers.append((302, {"Location": f"{inside.url}/secrets"}, b""))
        with pytest.raises(OutsideRefused, match="HTTP 302"):
            await ask(Call("GET", web.url, {"Authorization": "Bearer s3cret"}))
        assert inside.asked == []
    finally:
        inside.close()


async def test_a_server_that_drips_is_left_after_the_time_in_all(monkeypatch):
    """Each byte comes in time; all of them do not."""
    monkeypatch.setattr(outside, "SECONDS", 0.3)

    async def drip(_, writer):
        writer.write(b"HTTP/1.1 200 OK\r\n\r\n")
        while not writer.is_closing():
            writer.write(b" ")
            await asyncio.sleep(0.05)

    server = await asyncio.start_server(drip, "127.0.0.1", 0)
    async with server:
        port = server.sockets[0].getsockname()[1]
        with pytest.raises(OutsideAway, match="TIMEOUT"):
            await ask(Call("GET", f"http://127.0.0.1:{port}", {}))
