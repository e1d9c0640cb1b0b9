"""What all tests share: real servers for the session, an issuer, and each service started when first asked for."""

import os
from pathlib import Path

import pytest
from chassis.settings import SERVICES, package
from chassis.testing import Backend
from harness import Issuer, start


@pytest.fixture(scope="session")
def backend():
    with Backend.running() as running:
        yield running


@pytest.fixture(scope="session")
def olist() -> Path:
    """The real rows of the Olist funnel. Tests without them are skipped, and pytest's summary says so."""
    data = Path(os.environ.get("CRM_DATA", Path(__file__).parents[2] / "shared/data")) / "olist"
    if not data.is_dir():
        pytest.skip(f"the real rows are not at {data}; CRM_DATA names the folder of data sets")
    return data


@pytest.fixture(scope="session")
def issuer():
    running = Issuer()
    yield running
    running.close()


def _service(name: str):
    """A fixture that starts a service when it is first asked for, for the whole session."""

    @pytest.fixture(scope="session", name=package(name))
    async def service(backend, issuer):
        running = await start(name, backend, issuer)
        yield running
        await running.stop()

    return service


# `directory`, `leads`, `service_desk` ...: one fixture for each service there is.
globals().update({f"{package(name)}_fixture": _service(name) for name in SERVICES})
