"""What the gateway is told by its environment. Every problem with it is one sentence that names the setting."""

import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path


class SettingError(Exception):
    """A setting is missing or wrong; the message is for the person who starts the process."""


@dataclass(frozen=True)
class Address:
    """Where to listen, and the setting that said so. An empty host means all interfaces."""

    setting: str
    host: str
    port: int

    def __str__(self) -> str:
        return f"[{self.host}]:{self.port}" if ":" in self.host else f"{self.host or '0.0.0.0'}:{self.port}"


@dataclass(frozen=True)
class Settings:
    """The gateway's settings; `upstreams` maps a service's proto name (`service_desk`) to its gRPC target."""

    http: Address
    grpc: Address
    admin: Address
    upstreams: Mapping[str, str]
    descriptors: Path

    @classmethod
    def read(cls, environment: Mapping[str, str] = os.environ) -> "Settings":
        """From the environment; raises SettingError."""
        prefix = "UPSTREAM_"
        upstreams = {
            key.removeprefix(prefix).lower(): value
            for key, value in environment.items()
            if key.startswith(prefix) and value
        }
        return cls(
            http=address(environment, "HTTP_ADDRESS"),
            grpc=address(environment, "GRPC_ADDRESS"),
            admin=address(environment, "ADMIN_ADDRESS"),
            upstreams=upstreams,
            descriptors=descriptors(environment),
        )


def address(environment: Mapping[str, str], setting: str) -> Address:
    """`host:port`, `[v6]:port` or `:port`."""
    text = environment.get(setting, "")
    if not text:
        raise SettingError(f"{setting} is not set: say where to listen, for example 127.0.0.1:8080")
    host, _, port = text.rpartition(":")
    if not port.isdecimal() or not port.isascii() or int(port) > 65_535:
        raise SettingError(f"{setting}={text} is not host:port")
    return Address(setting, host.strip("[]"), int(port))


def descriptors(environment: Mapping[str, str] = os.environ) -> Path:
    """The image of all protos: DESCRIPTORS, else proto/gen/crm.binpb of the project this package lies in."""
    given = environment.get("DESCRIPTORS")
    path = Path(given) if given else Path(__file__).resolve().parents[2] / "proto" / "gen" / "crm.binpb"
    if not path.is_file():
        raise SettingError(f"DESCRIPTORS: there is no file {path}; `make generate` builds it")
    return path
