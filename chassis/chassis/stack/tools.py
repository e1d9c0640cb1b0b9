"""Postgres' own programs at work on a database: pg_dump, pg_restore, psql.

A password never stands on a command line, where everybody on the machine could read it: it goes by the environment.
"""

import asyncio
import os
import tempfile
from asyncio.subprocess import PIPE, Process
from types import TracebackType
from urllib.parse import parse_qsl, unquote, urlencode, urlsplit, urlunsplit

from chassis.stack.errors import StackError
from chassis.stack.postgres import binary

CHUNK = 1024 * 1024  # bytes passed on at once
_LAST_WORDS = 500  # characters of what a program complains


def without_password(url: str) -> tuple[str, str]:
    """A database's address as it may be seen, and the password that was in it."""
    parts = urlsplit(url)
    login, at, place = parts.netloc.rpartition("@")
    user, _, password = login.partition(":")
    options = parse_qsl(parts.query, keep_blank_values=True)
    password = unquote(password) or next((value for name, value in options if name == "password"), "")
    shown = urlencode([(name, value) for name, value in options if name != "password"])
    return urlunsplit(parts._replace(netloc=user + at + place, query=shown)), password


class Tool:
    """One program, with pipes to and from it; ended with the block, whatever happened.

    `async with Tool("pg_dump", url, "-Fc") as dump: … dump.read() … await dump.finish()`
    """

    def __init__(self, name: str, url: str, *arguments: str) -> None:
        """`url` empty: the program talks to no server."""
        self.name, self._arguments = name, list(arguments)
        self._env = dict(os.environ)
        if url:
            address, password = without_password(url)
            self._arguments += ["-d", address]
            self._env |= {"PGPASSWORD": password} if password else {}
        self._said = tempfile.TemporaryFile()  # noqa: SIM115 — a pipe that nobody empties would stop the program
        self._process: Process | None = None

    async def __aenter__(self) -> "Tool":
        self._process = await asyncio.create_subprocess_exec(
            str(binary(self.name)),
            *self._arguments,
            env=self._env,
            stdin=PIPE,
            stdout=PIPE,
            stderr=self._said,
            process_group=0,  # Ctrl-C reaches us alone, and we end it
        )
        return self

    async def __aexit__(self, *_: type[BaseException] | BaseException | TracebackType | None) -> None:
        if self.process.returncode is None:
            self.process.kill()
            await self._ended()
        self._said.close()

    @property
    def process(self) -> Process:
        assert self._process is not None
        return self._process

    async def read(self) -> bytes:
        """The next of what it writes; empty at the end."""
        assert self.process.stdout is not None
        return await self.process.stdout.read(CHUNK)

    async def line(self) -> str:
        """The next line of what it writes. Raises StackError with its complaint if it ended instead."""
        assert self.process.stdout is not None
        found = (await self.process.stdout.readline()).decode()
        if not found:
            await self.finish()
            raise StackError(f"{self.name} ended early.")
        return found.rstrip("\n")

    async def write(self, content: bytes) -> None:
        """Gives it something to read. Raises StackError with its complaint if it ended."""
        assert self.process.stdin is not None
        try:
            self.process.stdin.write(content)
            await self.process.stdin.drain()
        except ConnectionError:
            await self.finish()
            raise StackError(f"{self.name} ended early.") from None

    def close_input(self) -> None:
        """It has been given everything."""
        assert self.process.stdin is not None
        self.process.stdin.close()

    async def finish(self) -> None:
        """Returns when it has ended well. Raises StackError with its last words if it failed."""
        if await self._ended() != 0:
            raise StackError(f"{self.name}: {self._last_words()}")

    async def _ended(self) -> int:
        """Its status once it has ended. Until its output was read to the end, asyncio would not say so."""
        while await self.read():
            pass
        return await self.process.wait()

    def _last_words(self) -> str:
        self._said.seek(0)
        lines = self._said.read().decode(errors="replace").strip().splitlines()
        errors = [line for line in lines if "ERROR" in line or "error:" in line]
        return " ".join((errors or lines)[:3])[:_LAST_WORDS] or f"it ended with status {self.process.returncode}"
