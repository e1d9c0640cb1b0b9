"""gRPC over TLS: who answers proves its name, and a renewed certificate is used without a restart."""

from datetime import UTC, datetime, timedelta

import grpc
import grpc.aio
import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID
from grpc_health.v1 import health, health_pb2, health_pb2_grpc

from chassis import tls

ASK = health_pb2.HealthCheckRequest()


class Authority:
    """Signs certificates, as cert-manager would."""

    def __init__(self) -> None:
        self.key = ec.generate_private_key(ec.SECP256R1())
        self.certificate = self._signed("authority", self.key, x509.BasicConstraints(ca=True, path_length=0), [])

    def write(self, folder, name: str) -> int:
        """A certificate for `name` with its key, and this authority's own; returns the serial number."""
        key = ec.generate_private_key(ec.SECP256R1())
        constraints = x509.BasicConstraints(ca=False, path_length=None)
        certificate = self._signed(name, key, constraints, [x509.DNSName(name)])
        (folder / "tls.key").write_bytes(
            key.private_bytes(
                serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
            )
        )
        (folder / "tls.crt").write_bytes(certificate.public_bytes(serialization.Encoding.PEM))
        (folder / "ca.crt").write_bytes(self.certificate.public_bytes(serialization.Encoding.PEM))
        return certificate.serial_number

    def _signed(self, name, key, constraints, names):
        subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
        builder = x509.CertificateBuilder(
            issuer_name=x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "authority")]),
            subject_name=subject,
            public_key=key.public_key(),
            serial_number=x509.random_serial_number(),
            not_valid_before=datetime.now(UTC) - timedelta(minutes=5),
            not_valid_after=datetime.now(UTC) + timedelta(hours=1),
        ).add_extension(constraints, critical=True)
        if names:
            builder = builder.add_extension(x509.SubjectAlternativeName(names), critical=False)
        return builder.sign(self.key, hashes.SHA256())


@pytest.fixture
def authority():
    return Authority()


@pytest.fixture
def folder(tmp_path, monkeypatch):
    monkeypatch.setenv("TLS_FOLDER", str(tmp_path))
    return tmp_path


@pytest.fixture
async def serve():
    """Starts servers that answer questions of their health; stops them in the end."""
    servers = []

    async def started() -> str:
        server = grpc.aio.server()
        health_pb2_grpc.add_HealthServicer_to_server(health.aio.HealthServicer(), server)
        port = tls.listen(server, "127.0.0.1:0")
        await server.start()
        servers.append(server)
        return f"localhost:{port}"

    yield started
    for server in servers:
        await server.stop(0)


async def answer(target: str) -> int:
    async with tls.channel(target, []) as channel:
        return (await health_pb2_grpc.HealthStub(channel).Check(ASK, timeout=5)).status


async def refusal(target: str) -> grpc.StatusCode:
    with pytest.raises(grpc.aio.AioRpcError) as refused:
        await answer(target)
    return refused.value.code()


async def test_without_the_setting_connections_are_plain(serve, monkeypatch):
    monkeypatch.delenv("TLS_FOLDER", raising=False)
    assert await answer(await serve()) == health_pb2.HealthCheckResponse.SERVING


async def test_who_has_a_certificate_of_the_authority_is_believed(serve, folder, authority):
    authority.write(folder, "localhost")
    assert await answer(await serve()) == health_pb2.HealthCheckResponse.SERVING


async def test_who_has_one_for_another_name_is_not(serve, folder, authority):
    authority.write(folder, "sales.crm.svc")
    assert await refusal(await serve()) is grpc.StatusCode.UNAVAILABLE


async def test_who_has_one_of_another_authority_is_not(serve, folder, authority):
    authority.write(folder, "localhost")
    target = await serve()
    Authority().write(folder, "localhost")  # the caller knows that one from now on, the server its own
    (folder / "tls.crt").unlink()
    assert await refusal(target) is grpc.StatusCode.UNAVAILABLE


async def test_a_plain_caller_gets_no_answer(serve, folder, authority, monkeypatch):
    authority.write(folder, "localhost")
    target = await serve()
    monkeypatch.delenv("TLS_FOLDER")
    assert await refusal(target) is grpc.StatusCode.UNAVAILABLE


async def test_a_renewed_certificate_is_used_by_the_next_connection(serve, folder, authority):
    authority.write(folder, "localhost")
    target = await serve()
    assert await answer(target) == health_pb2.HealthCheckResponse.SERVING
    renewed = Authority()  # even its authority is another
    renewed.write(folder, "localhost")
    assert await answer(target) == health_pb2.HealthCheckResponse.SERVING


async def test_a_certificate_that_does_not_fit_its_key_changes_nothing(folder, authority):
    authority.write(folder, "localhost")
    kept = tls.Certificate(folder)
    key = (folder / "tls.key").read_bytes()
    authority.write(folder, "localhost")
    (folder / "tls.key").write_bytes(key)  # half of it is written
    assert kept.renewed() is None
    authority.write(folder, "localhost")
    assert kept.renewed() is kept.configuration is not None
    assert kept.renewed() is None, "it is told once"


async def test_a_folder_without_a_certificate_ends_the_start_with_a_sentence(folder):
    with pytest.raises(SystemExit, match="TLS_FOLDER="):
        tls.listen(grpc.aio.server(), "127.0.0.1:0")
    with pytest.raises(SystemExit, match=r"ca\.crt"):
        tls.channel("localhost:1", [])
