"""What belongs to a service on NATS: its stream, its subjects, and the inbox it may listen on."""

from chassis.settings import package


def stream(service: str) -> str:
    """The JetStream stream that holds the service's own events."""
    return f"crm-{service}"


def subjects(service: str) -> str:
    """Every subject the service publishes: its proto package and whatever follows."""
    return f"crm.{package(service)}.v1.>"


def inbox_prefix(service: str) -> str:
    """The only subjects the service may subscribe to; pass it to `nats.connect(inbox_prefix=...)`."""
    return f"_INBOX_{service}"
