"""Who may do what on NATS: an account for each service, and the subjects of the suite's account that it may reach.

Streams live in the account `suite`, where only the administrator is. A service is alone in an account of its own and
imports the few subjects it needs. Permissions alone would not do: they say nothing about the *reply* a request asks
for, and JetStream answers wherever it is told to, with its own rights. A pull whose answer went to
`$JS.API.STREAM.DELETE.crm-contracts` deleted that stream. Across accounts an answer reaches only who asked.
"""

from collections.abc import Mapping
from typing import Any

from chassis.settings import SERVICES
from chassis.stack.names import inbox_prefix, stream, subjects

ADMIN = "admin"
SUITE = "suite"  # the account that holds all streams
ONE, MANY = "Singleton", "Stream"  # answers to a request: a pull is answered by each message


def reach(service: str) -> dict[str, str]:
    """What a service may send, each with how many answers come: publish its own facts, pull and acknowledge its own
    durables, read about streams, look up and erase one message of its own stream.

    Durables are named after the service that consumes: `service-desk` on the stream `crm-contracts`. Making streams and
    durables is the administrator's. An acknowledgement is spelled out to its last token: with a `>` at the end it could
    be made to fit the durable of another service, and ask for that one's next message.
    """
    own, streams = stream(service), [stream(producer) for producer in SERVICES]
    found = {
        subjects(service): ONE,
        "$JS.API.INFO": ONE,
        f"$JS.API.STREAM.MSG.GET.{own}": ONE,
        f"$JS.API.STREAM.MSG.DELETE.{own}": ONE,
    }
    for name in streams:
        found[f"$JS.API.STREAM.INFO.{name}"] = ONE
        found[f"$JS.API.CONSUMER.INFO.{name}.{service}"] = ONE
        found[f"$JS.API.CONSUMER.MSG.NEXT.{name}.{service}"] = MANY
        found[f"$JS.ACK.{name}.{service}.*.*.*.*.*"] = ONE
    return found


def permissions(service: str) -> dict[str, Any]:
    """Of the service's user within its own account."""
    return {"publish": {"allow": list(reach(service))}, "subscribe": {"allow": [f"{inbox_prefix(service)}.>"]}}


def accounts(passwords: Mapping[str, str]) -> dict[str, Any]:
    """The `accounts` of the server's configuration. `passwords` has one entry per user: `admin` and every service."""
    exports: dict[str, dict[str, Any]] = {}
    found: dict[str, Any] = {}
    for service in SERVICES:
        wanted = reach(service)
        for subject, answers in wanted.items():
            export = exports.setdefault(subject, {"service": subject, "response_type": answers, "accounts": []})
            export["accounts"].append(service)
        user = {"user": service, "password": passwords[service], "permissions": permissions(service)}
        imports = [{"service": {"account": SUITE, "subject": subject}} for subject in wanted]
        found[service] = {"users": [user], "imports": imports}
    administrator = {"user": ADMIN, "password": passwords[ADMIN]}
    found[SUITE] = {"jetstream": "enabled", "users": [administrator], "exports": list(exports.values())}
    return found
