"""What all tests share: real servers for the session, an issuer, and each service started when first asked for."""

import os
import shutil
from pathlib import Path

import pytest
from chassis.settings import SERVICES, package
from chassis.testing import Backend
from harness import Issuer, drop_what_was_left, start

SHARED = pytest.StashKey[Backend]()


@pytest.hookimpl(wrapper=True)
def pytest_fixture_setup(fixturedef, request):
    """A folder that a fixture made goes with it, unless something failed meanwhile: whole suites leave gigabytes."""
    if "tmp_path_factory" not in fixturedef.argnames:
        return (yield)
    base, failed = request.getfixturevalue("tmp_path_factory").getbasetemp(), request.session.testsfailed
    before, made = set(base.iterdir()), set()

    def remove() -> None:
        for folder in made if request.session.testsfailed == failed else ():
            shutil.rmtree(folder, ignore_errors=True)

    fixturedef.addfinalizer(remove)  # the first of its finalizers runs last
    result = yield
    made.update(set(base.iterdir()) - before)
    return result


@pytest.fixture(scope="module", autouse=True)
def databases_of_ended_services():
    yield
    drop_what_was_left()


@pytest.fixture(scope="module", autouse=True)
def no_streams_for_others(request):
    """The servers of the session have no streams: a module that leaves some would bring its events to the services of
    all later ones. Who wants events runs a backend of its own."""
    yield
    backend = request.session.stash.get(SHARED, None)
    assert backend is None or backend.streams() == []


@pytest.fixture(scope="session")
def backend(request):
    with Backend.running() as running:
        request.session.stash[SHARED] = running
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
