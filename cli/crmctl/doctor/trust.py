"""What ends on a day or has to be fetched: certificates, and the issuer's keys."""

import asyncio
import ssl
from collections.abc import Coroutine
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import httpx
from chassis.signing_keys import usable
from cryptography import x509

from chassis import tls
from crmctl.doctor.findings import Findings, quoted
from crmctl.doctor.installation import Installation

WARN_DAYS, FAIL_DAYS = 21, 3
PAGE = "#clocks-and-keys"
RENEW = "Renew it (cert-manager: why did it not?); it is read again without a restart."


async def examine(installation: Installation, found: Findings) -> None:
    """Files of TLS_FOLDER, what ports show, and the issuer."""
    looks: list[tuple[str, str, Coroutine[Any, Any, None]]] = []
    if folder := installation.tls_folder:
        for name in (tls.CERTIFICATE, tls.AUTHORITY):
            _file(folder / name, found)
        for part, address in installation.grpc.items():
            look = _shown(part, "certificate", *_endpoint(address), folder / tls.AUTHORITY, found)
            looks.append((part, "certificate", look))
    door = urlsplit(installation.url)
    if door.scheme == "https" and door.hostname:
        look = _shown("gateway", "certificate", door.hostname, door.port or 443, None, found)
        looks.append(("gateway", "certificate", look))
    if installation.jwks_url:
        looks.append(("issuer", "keys", _issuer(installation.jwks_url, found)))
    else:
        said = "Not looked at: the address of its keys is not known."
        found.warn("issuer", "keys", said, "Set OIDC_JWKS_URL, as for services, and ask again.", "#doctor")
    do = "Look at it by hand (openssl s_client); callers may be refused."
    await asyncio.gather(*(found.tried(part, check, look, do, PAGE) for part, check, look in looks))


def ends(part: str, check: str, certificate: x509.Certificate, now: datetime, found: Findings) -> None:
    """How many days a certificate has left."""
    days = (certificate.not_valid_after_utc - now).total_seconds() / 86400
    begins = (certificate.not_valid_before_utc - now).total_seconds()
    if days <= 0:
        said = f"Its certificate ended {-days:.0f} days ago: callers refuse it."
        found.fail(part, check, said, RENEW, PAGE, days_left=round(days, 1))
    elif begins > 0:
        said = f"Its certificate begins in {begins / 3600:.1f} hours: callers refuse it until then."
        found.fail(part, check, said, "Make the clocks agree, or issue another one.", PAGE, days_left=round(days, 1))
    elif days < FAIL_DAYS:
        said = f"Its certificate ends in {days * 24:.0f} hours."
        found.fail(part, check, said, RENEW, PAGE, days_left=round(days, 1))
    elif days < WARN_DAYS:
        found.warn(part, check, f"Its certificate ends in {days:.0f} days.", RENEW, PAGE, days_left=round(days, 1))
    else:
        found.ok(part, check, f"Its certificate holds for {days:.0f} days.", days_left=round(days, 1))


def _file(path: Path, found: Findings) -> None:
    try:
        certificates = x509.load_pem_x509_certificates(path.read_bytes())
    except (OSError, ValueError) as broken:
        said = f"{path.name} in TLS_FOLDER is no certificate that can be read."
        found.fail("certificates", path.name, said, "Put it there; services do not start without.", PAGE, str(broken))
        return
    soonest = min(certificates, key=lambda one: one.not_valid_after_utc)
    ends("certificates", path.name, soonest, datetime.now(UTC), found)


async def _shown(part: str, check: str, host: str, port: int, authority: Path | None, found: Findings) -> None:
    """The certificate of a port, as a caller sees it who knows the authority; without one, the system's."""
    known = _trusting(authority)
    try:
        _, writer = await asyncio.open_connection(host, port, ssl=known, server_hostname=host)
    except ssl.SSLCertVerificationError as refused:
        said = "Callers do not believe its certificate: another name, another authority, or it ended."
        found.fail(part, check, said, RENEW, PAGE, str(refused))
        return
    except (OSError, ssl.SSLError) as away:
        said = "Its port shows no certificate: nobody is there, or it does not speak TLS."
        found.fail(part, check, said, "Is it ready? Has it TLS_FOLDER as the others?", PAGE, str(away))
        return
    try:
        shown: Any = writer.get_extra_info("ssl_object")
        certificate = x509.load_der_x509_certificate(shown.getpeercert(binary_form=True))
        ends(part, check, certificate, datetime.now(UTC), found)
    finally:
        writer.close()


def _trusting(authority: Path | None) -> ssl.SSLContext:
    known = ssl.create_default_context(cafile=str(authority) if authority else None)
    known.set_alpn_protocols(["h2"])
    return known


async def _issuer(url: str, found: Findings) -> None:
    do = "Bring the issuer back. Who has a token works on, known keys serve for 24 hours; nobody gets a new token."
    try:
        async with httpx.AsyncClient(timeout=found.seconds) as client:
            document = (await client.get(url)).raise_for_status().content
        keys = usable(document)
    except (httpx.HTTPError, httpx.InvalidURL, ValueError) as away:
        said = f"Its keys cannot be fetched from here ({type(away).__name__})."
        found.warn("issuer", "keys", said, do, "CrmIssuerAway", quoted(away))
        return
    if keys:
        found.ok("issuer", "keys", f"It shows {len(keys)} keys that tokens may be signed with.", keys=len(keys))
    else:
        said = "It shows no key that a token may be signed with: every token is refused."
        do = "It needs a signing key with an id, of RS256 (2048 bits or more), ES256 or EdDSA."
        found.fail("issuer", "keys", said, do, "CrmTokensRefused", keys=0)


def _endpoint(address: str) -> tuple[str, int]:
    """`dns:///leads:50051` and `leads:50051` as host and port."""
    host, _, port = address.rpartition("/")[2].rpartition(":")
    return host.strip("[]"), int(port)
