"""Settings as a bundle shows them: some by their value, if it has the shape it should have; some as set or not; all
others, whatever an environment holds besides, not at all."""

import os
import re
from collections.abc import Callable, Mapping
from zoneinfo import available_timezones

import psutil
from chassis.settings import SERVICES, variable

from crmctl.doctor.installation import Installation

SET, EMPTY, ODD = "set", "not set", "set, to something that it should not be; left out"
Shape = Callable[[str], bool]


def _number(value: str) -> bool:
    return bool(re.fullmatch(r"\d{1,12}(\.\d{1,6})?", value))


def _one_of(*words: str) -> Shape:
    return lambda value: value in words


def _services(value: str) -> bool:
    return {one.strip() for one in value.split(",")} <= {*SERVICES, ""}


_SAMPLERS = ("always_on", "always_off", "traceidratio")
SHOWN: Mapping[str, Shape] = {
    **dict.fromkeys(
        (
            "POOL_SIZE", "READ_ALARM", "READ_LIMIT", "SYSTEM_READ_ALARM", "SYSTEM_READ_LIMIT", "OIDC_LIFETIME_SECONDS",
            "GRPC_MAX_CONNECTION_AGE_SECONDS", "STREAM_MAX_BYTES", "STREAM_REPLICAS", "OTEL_TRACES_SAMPLER_ARG",
        ),
        _number,
    ),
    "LOG_LEVEL": _one_of("DEBUG", "INFO", "WARNING", "ERROR", "CRITICAL"),
    "SERVICES": _services,
    "COMPANY_ZONE": lambda value: value in available_timezones(),
    "COMPANY_COUNTRY": lambda value: bool(re.fullmatch(r"[A-Z]{2}", value)),
    "OTEL_EXPORTER_OTLP_PROTOCOL": _one_of("grpc", "http/protobuf"),
    "OTEL_TRACES_SAMPLER": _one_of(*_SAMPLERS, *(f"parentbased_{one}" for one in _SAMPLERS)),
}  # fmt: skip
# Addresses, logins, keys and names: only whether they are there.
MENTIONED = (
    "DATABASE_URL", "DATABASE_URL_DIRECT", "DATABASE_URL_OWNER", "NATS_URL", "OIDC_ISSUER", "OIDC_AUDIENCE",
    "OIDC_JWKS_URL", "OIDC_TOKEN_URL", "CLIENT_ID", "CLIENT_SECRET", "PAGE_TOKEN_KEY", "PRIVACY_KEY", "BOOTSTRAP_ADMIN",
    "COMPANY_NAME", "TLS_FOLDER", "FILES_URL", "SMTP_URL", "SMS_GATEWAY", "ENRICHMENT_SOURCES",
    "OTEL_EXPORTER_OTLP_ENDPOINT", "OTEL_EXPORTER_OTLP_TRACES_ENDPOINT", "CLOCK_OFFSET_SECONDS",
    *(variable("UPSTREAM", service) for service in SERVICES),
    *(variable("DATABASE_URL", service) for service in SERVICES),
)  # fmt: skip


def shown(env: Mapping[str, str]) -> dict[str, str]:
    """The settings of one process, as far as they may be seen."""
    found = {name: SET if env.get(name) else EMPTY for name in MENTIONED}
    for name, fits in SHOWN.items():
        value = env.get(name, "")
        found[name] = (value if fits(value) else ODD) if value else EMPTY
    return dict(sorted(found.items()))


def of_processes(installation: Installation) -> dict[str, dict[str, str]]:
    """Of each process of a local suite what it was started with; of others only our own are known, as `crmctl`."""
    found = {"crmctl": shown(os.environ)}
    for name, pid in installation.pids.items():
        if name in installation.admin:
            try:
                found[name] = shown(psutil.Process(pid).environ())
            except psutil.Error:  # ended since, or somebody else's
                continue
    return found
