"""What all tests share: real servers for the session, an issuer, and each service started when first asked for."""

import os
from pathlib import Path

import pytest
from chassis.testing import Backend
from harness import Issuer, Running, start


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


async def _service(name: str, backend: Backend, issuer: Issuer):
    running: Running = await start(name, backend, issuer)
    yield running
    await running.stop()


@pytest.fixture(scope="session")
async def directory(backend, issuer):
    async for running in _service("directory", backend, issuer):
        yield running


@pytest.fixture(scope="session")
async def leads(backend, issuer):
    async for running in _service("leads", backend, issuer):
        yield running


@pytest.fixture(scope="session")
async def sales(backend, issuer):
    async for running in _service("sales", backend, issuer):
        yield running


@pytest.fixture(scope="session")
async def marketing(backend, issuer):
    async for running in _service("marketing", backend, issuer):
        yield running


@pytest.fixture(scope="session")
async def service_desk(backend, issuer):
    async for running in _service("service-desk", backend, issuer):
        yield running


@pytest.fixture(scope="session")
async def contracts(backend, issuer):
    async for running in _service("contracts", backend, issuer):
        yield running


@pytest.fixture(scope="session")
async def insights(backend, issuer):
    async for running in _service("insights", backend, issuer):
        yield running
