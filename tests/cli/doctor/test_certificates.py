"""How long certificates hold: as files, and as a port shows them to a caller."""

import asyncio
import ssl
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from crmctl.doctor import trust
from crmctl.doctor.findings import Finding, Findings, Level
from crmctl.doctor.installation import Installation
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID
from issuing import EC, KeyEndpoint, public

HOUR, DAY = timedelta(hours=1), timedelta(days=1)


def certificate(folder: Path, holds: timedelta, begun: timedelta = HOUR, name: str = "localhost") -> x509.Certificate:
    """One that believes in itself, with its key, as TLS_FOLDER has them."""
    key = ec.generate_private_key(ec.SECP256R1())
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
    now = datetime.now(UTC)
    made = (
        x509.CertificateBuilder(subject, subject, key.public_key(), x509.random_serial_number())
        .not_valid_before(now - begun)
        .not_valid_after(now + holds)
        .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
        .add_extension(x509.SubjectAlternativeName([x509.DNSName(name)]), critical=False)
        .sign(key, hashes.SHA256())
    )
    pem = made.public_bytes(serialization.Encoding.PEM)
    (folder / "tls.crt").write_bytes(pem)
    (folder / "ca.crt").write_bytes(pem)
    kind, plain = serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    (folder / "tls.key").write_bytes(key.private_bytes(serialization.Encoding.PEM, kind, plain))
    return made


@pytest.mark.parametrize(
    ("holds", "level"),
    [(-DAY, Level.FAIL), (2 * DAY, Level.FAIL), (4 * DAY, Level.WARN), (20 * DAY, Level.WARN), (22 * DAY, Level.OK)],
)
def test_a_certificate_is_judged_by_the_days_it_has_left(tmp_path: Path, holds: timedelta, level: Level) -> None:
    found = Findings(1)
    trust.ends("leads", "certificate", certificate(tmp_path, holds, 30 * DAY), datetime.now(UTC), found)
    assert found.worst is level


def test_a_certificate_that_has_not_begun_is_told(tmp_path: Path) -> None:
    found = Findings(1)
    trust.ends("leads", "certificate", certificate(tmp_path, 90 * DAY, -HOUR), datetime.now(UTC), found)
    assert found.worst is Level.FAIL


async def shown(folder: Path) -> dict[tuple[str, str], Finding]:
    """The findings about a port that shows the folder's certificate."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(folder / "tls.crt", folder / "tls.key")
    server = await asyncio.start_server(lambda _, writer: writer.close(), "localhost", 0, ssl=context)
    port = server.sockets[0].getsockname()[1]
    found = Findings(5)
    installation = Installation(("leads",), grpc={"leads": f"dns:///localhost:{port}"}, tls_folder=folder)
    await trust.examine(installation, found)
    server.close()
    return {(one.part, one.check): one for one in found.all}


async def test_what_a_port_shows_is_looked_at_beside_the_files(tmp_path: Path) -> None:
    certificate(tmp_path, 90 * DAY)
    found = await shown(tmp_path)
    for name in (("leads", "certificate"), ("certificates", "tls.crt"), ("certificates", "ca.crt")):
        assert found[name].level is Level.OK


async def test_a_certificate_of_another_name_is_not_believed(tmp_path: Path) -> None:
    certificate(tmp_path, 90 * DAY, name="leads.crm.svc")
    found = await shown(tmp_path)
    assert found["leads", "certificate"].level is Level.FAIL
    assert "believe" in found["leads", "certificate"].said


async def test_a_file_that_is_no_certificate_is_told(tmp_path: Path) -> None:
    (tmp_path / "tls.crt").write_text("nothing")
    found = Findings(1)
    await trust.examine(Installation((), tls_folder=tmp_path, jwks_url=""), found)
    assert [one.check for one in found.all if one.level is Level.FAIL] == ["tls.crt", "ca.crt"]


@pytest.mark.parametrize(
    ("body", "status", "level", "page"),
    [
        (None, 200, Level.OK, ""),
        (b'{"keys": []}', 200, Level.FAIL, "CrmTokensRefused"),
        (b"no keys", 200, Level.WARN, "CrmIssuerAway"),
        (None, 503, Level.WARN, "CrmIssuerAway"),
    ],
)
async def test_the_issuer_is_asked_for_its_keys(body: bytes | None, status: int, level: Level, page: str) -> None:
    issuer, found = KeyEndpoint(public(EC, "one")), Findings(2)
    issuer.body, issuer.status = body, status
    await trust.examine(Installation((), jwks_url=issuer.url), found)
    issuer.close()
    assert [(one.level, one.page) for one in found.all] == [(level, page)]
