"""TCP ports on the loopback interface."""

import socket

from chassis.stack.errors import StackError

HOST = "127.0.0.1"


def free_port() -> int:
    """A port nobody listens on now. Another process may take it first: the caller's server then says so when it starts."""
    with socket.socket() as probe:
        probe.bind((HOST, 0))
        return int(probe.getsockname()[1])


def free_ports(count: int) -> list[int]:
    """`count` different free ports: all are held open while they are chosen, so none is handed out twice."""
    probes = [socket.socket() for _ in range(count)]
    try:
        for probe in probes:
            probe.bind((HOST, 0))
        return [int(probe.getsockname()[1]) for probe in probes]
    finally:
        for probe in probes:
            probe.close()


def require_free(port: int, option: str, variable: str) -> None:
    """Raise a StackError that names the setting unless this process could listen on `port` now."""
    with socket.socket() as probe:
        # As servers do: connections of an earlier run in TIME_WAIT do not make a port taken.
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((HOST, port))
        except OSError as problem:
            raise StackError(f"Port {port} cannot be used ({problem.strerror}): choose another with {option} or {variable}.")
