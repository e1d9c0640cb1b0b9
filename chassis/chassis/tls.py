"""TLS on gRPC ports, between the gateway, the services and their callers.

TLS_FOLDER names a folder with tls.crt, tls.key and ca.crt, as a Secret of Kubernetes is mounted. A certificate that was
renewed is used from the next connection on, without a restart. Without the setting, connections are plain.
"""

import os
import ssl
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import grpc
import grpc.aio

from chassis.settings import stop
from chassis.telemetry import log

CERTIFICATE, KEY, AUTHORITY = "tls.crt", "tls.key", "ca.crt"


class Certificate:
    """The server's certificate with its key, as the folder has it now."""

    def __init__(self, folder: Path) -> None:
        """Raises OSError or ssl.SSLError if there is none that fits its key."""
        self._folder = folder
        self._seen = self._state()
        self.configuration = self._read()

    def renewed(self) -> Any:
        """Asked by gRPC for each connection: what is to be used from now on, None if nothing changed. A pair that does
        not fit is passed over: half of it may not be written yet."""
        try:
            if (state := self._state()) == self._seen:
                return None
            self.configuration = self._read()
            self._seen = state
        except (OSError, ssl.SSLError) as broken:
            log.warning("the certificate in %s changed and cannot be used: %s", self._folder, broken)
            return None
        log.info("the certificate in %s was renewed", self._folder)
        return self.configuration

    def _state(self) -> tuple[tuple[int, int, int], ...]:
        stats = [(self._folder / name).stat() for name in (CERTIFICATE, KEY)]
        return tuple((one.st_mtime_ns, one.st_size, one.st_ino) for one in stats)

    def _read(self) -> Any:
        certificate, key = self._folder / CERTIFICATE, self._folder / KEY
        ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER).load_cert_chain(certificate, key)
        return grpc.ssl_server_certificate_configuration([(key.read_bytes(), certificate.read_bytes())])


def folder() -> Path | None:
    """Where certificates are; None if connections are plain."""
    return Path(value) if (value := os.environ.get("TLS_FOLDER")) else None


def listen(server: grpc.aio.Server, address: str) -> int:
    """Binds a gRPC port and returns its number. Raises RuntimeError if it is taken; ends the process if the certificate
    cannot be used."""
    if (where := folder()) is None:
        return server.add_insecure_port(address)
    try:
        certificate = Certificate(where)
    except (OSError, ssl.SSLError) as broken:
        stop(f"TLS_FOLDER={where}: there is no certificate with its key that can be used: {broken}")
    credentials = grpc.dynamic_ssl_server_credentials(
        certificate.configuration, certificate.renewed, require_client_authentication=False
    )
    return server.add_secure_port(address, credentials)


def channel(target: str, options: Sequence[tuple[str, Any]]) -> grpc.aio.Channel:
    """To a service of the suite. With TLS, whoever answers proves its name by the folder's authority."""
    if (where := folder()) is None:
        return grpc.aio.insecure_channel(target, options=options)
    try:
        authority = (where / AUTHORITY).read_bytes()
    except OSError as missing:
        stop(f"TLS_FOLDER={where}: {missing}")
    return grpc.aio.secure_channel(target, grpc.ssl_channel_credentials(authority), options=options)
