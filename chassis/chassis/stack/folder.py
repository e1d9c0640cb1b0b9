"""The data folder: who may use it, what lies where, and the address book of the running stack."""

import fcntl
import json
import os
from pathlib import Path
from typing import IO, Any

from chassis.stack.errors import StackError

_CHOOSE = "choose another folder with --data-dir or CRM_DATA_DIR"


class DataFolder:
    """Everything one local stack keeps. Only the holder of its lock starts servers in it."""

    def __init__(self, path: Path) -> None:
        self.path = path.absolute()
        self.postgres, self.nats = self.path / "postgres", self.path / "nats"
        self.files, self.logs = self.path / "files", self.path / "logs"
        self.run = self.path / "run"  # Where services work: empty, so that nothing in it shadows a Python module.
        self.secrets, self.issuer_key = self.path / "secrets.json", self.path / "issuer.pem"
        self.address_book = self.path / "stack.json"
        self._lock: IO[str] | None = None

    def log(self, name: str) -> Path:
        """The log file of one child."""
        return self.logs / f"{name}.log"

    def open(self) -> None:
        """Make the folder and take its lock until `close` or the end of this process. Raises StackError."""
        try:
            # Others may pass through, not look: Postgres may have to run as another user. What lies inside is closed.
            self.path.mkdir(mode=0o711, parents=True, exist_ok=True)
            for folder in (self.files, self.logs, self.run):
                folder.mkdir(mode=0o700, exist_ok=True)
            lock = (self.path / "lock").open("a")
        except OSError as problem:
            raise StackError(f"{self.path} cannot be written ({problem.strerror}): {_CHOOSE}.") from problem
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            lock.close()
            raise StackError(f"{self.path} is in use by another running stack: stop that one, or {_CHOOSE}.") from None
        self._lock = lock

    @property
    def in_use(self) -> bool:
        """Whether somebody holds the lock: a suite runs here."""
        try:
            with (self.path / "lock").open("a") as lock:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            return True
        except FileNotFoundError:
            return False
        return False

    def close(self) -> None:
        """Give the lock back; the address book of a stack that no longer runs goes with it."""
        if self._lock is not None:
            self.address_book.unlink(missing_ok=True)
            self._lock.close()
            self._lock = None

    def publish(self, addresses: dict[str, Any]) -> None:
        """Replace the address book; readers see the old one or the new one."""
        write_private(self.address_book, json.dumps(addresses, indent=2) + "\n")

    def addresses(self) -> dict[str, Any] | None:
        """What the running stack published; None if none runs here (or it has not come that far)."""
        try:
            book: dict[str, Any] = json.loads(self.address_book.read_text())
        except (FileNotFoundError, NotADirectoryError):
            return None
        except PermissionError as problem:
            raise StackError(f"{self.address_book} cannot be read: only who started the stack may use it.") from problem
        return book


def write_private(path: Path, text: str) -> None:
    """Write a file that only we may read, whole or not at all."""
    unfinished = path.with_name(path.name + ".new")
    descriptor = os.open(unfinished, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    with os.fdopen(descriptor, "w") as file:
        file.write(text)
        file.flush()
        os.fsync(file.fileno())
    unfinished.rename(path)
