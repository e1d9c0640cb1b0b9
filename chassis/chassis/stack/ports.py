"""TCP ports on the loopback interface."""

import random
import socket
from collections.abc import Collection

from chassis.stack.errors import StackError

HOST = "127.0.0.1"


# Below the range from which systems take the ports of outgoing connections: one of those could occupy a chosen port
# while its server is still starting or being restarted.
_RANGE = range(20_000, 32_000)
# Whoever was given a port may not listen on it yet, or will again in a moment: this process gives it to nobody else.
_given: set[int] = set()


def free_port() -> int:
    """A port nobody listens on now; another process may take it first, and then the caller's server says so."""
    return free_ports(1)[0]


def free_ports(count: int, without: Collection[int] = ()) -> list[int]:
    """`count` free ports, none of `without` and none that this process was given before, in no order. Raises StackError
    if there are not so many."""
    found: list[int] = []
    for port in random.sample(_RANGE, len(_RANGE)):
        if port not in _given and port not in without and _is_free(port):
            found.append(port)
        if len(found) == count:
            _given.update(found)
            return found
    raise StackError(f"Fewer than {count} ports between {_RANGE.start} and {_RANGE.stop} are free on {HOST}.")


def _is_free(port: int) -> bool:
    with socket.socket() as probe:
        try:
            probe.bind((HOST, port))
        except OSError:
            return False
    return True


def require_free(port: int, option: str, variable: str) -> None:
    """Raise a StackError that names the setting unless this process could listen on `port` now."""
    with socket.socket() as probe:
        # As servers do: connections of an earlier run in TIME_WAIT do not make a port taken.
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((HOST, port))
        except OSError as problem:
            raise StackError(
                f"Port {port} cannot be used ({problem.strerror}): choose another with {option} or {variable}."
            ) from problem
