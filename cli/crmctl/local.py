"""The suite that runs on this machine, found by its data folder."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from chassis.stack import issuer
from chassis.stack.errors import StackError
from chassis.stack.folder import DataFolder
from chassis.stack.nats_server import ADMIN as ADMIN_OF_NATS
from chassis.stack.ports import HOST
from chassis.stack.secrets_file import Secrets

from crmctl.problem import Problem

DEFAULT = Path(".crm")
ADMIN = "users/admin"  # The bootstrap administrator: may do everything before there are any users.


@dataclass(frozen=True)
class LocalStack:
    """A running local suite. `addresses` is its stack.json: http, grpc, issuer, sink, services, admin, pids."""

    data_dir: Path
    addresses: dict[str, Any]

    @property
    def url(self) -> str:
        """Its REST address."""
        return str(self.addresses["http"])

    def mint(self, subject: str) -> str:
        """A token for `users/ana`, `serviceAccounts/importer`, `services/leads`; anybody may be named, known or not."""
        try:
            return issuer.mint(self.data_dir, subject)
        except StackError as problem:
            raise Problem(str(problem)) from None

    def database_url(self, service: str) -> str:
        """A service's database, as its owner."""
        port, owner = self.addresses["postgres_port"], self._secrets.databases[service].owner
        return f"postgresql://{service}_owner:{owner}@{HOST}:{port}/{service}"

    @property
    def nats_url(self) -> str:
        """NATS, as its administrator."""
        return f"nats://{ADMIN_OF_NATS}:{self._secrets.nats[ADMIN_OF_NATS]}@{HOST}:{self.addresses['nats_port']}"

    @property
    def _secrets(self) -> Secrets:
        return Secrets.load(DataFolder(self.data_dir).secrets)


def local_stack(data_dir: Path | None) -> LocalStack | None:
    """The suite of the folder, by default ./.crm; None if neither is there. Raises Problem if it does not run."""
    if data_dir is None and not DEFAULT.exists():
        return None
    folder = DataFolder(data_dir or DEFAULT)
    try:
        addresses = folder.addresses()
    except StackError as problem:
        raise Problem(str(problem)) from None
    if addresses is None:
        raise Problem(f"No suite runs in {folder.path}: start it with crmctl up --data-dir {folder.path}.")
    return LocalStack(folder.path, addresses)
