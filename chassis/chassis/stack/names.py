"""The services and how each spells its name in a folder, in Python, in a setting and in NATS."""

SERVICES = ("directory", "leads", "sales", "marketing", "service-desk", "contracts", "insights")


def package(service: str) -> str:
    """`service-desk` as Python, proto and SQL identifiers spell it: `service_desk`."""
    return service.replace("-", "_")


def setting(service: str) -> str:
    """`service-desk` as it ends the name of an environment variable: `SERVICE_DESK`."""
    return package(service).upper()


def stream(service: str) -> str:
    """The JetStream stream that holds the service's own events."""
    return f"crm-{service}"


def subjects(service: str) -> str:
    """Every subject the service publishes: its proto package and whatever follows."""
    return f"crm.{package(service)}.v1.>"


def inbox_prefix(service: str) -> str:
    """The only subjects the service may subscribe to; pass it to `nats.connect(inbox_prefix=...)`."""
    return f"_INBOX_{service}"
