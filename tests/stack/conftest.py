"""A running suite with stand-ins for the services, and the two real servers on their own."""

from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from types import MappingProxyType

import pytest
from chassis.testing import Backend

from stack.suite import Suite, start_suite


@pytest.fixture
def starting(tmp_path: Path) -> Iterator[Callable[..., Suite]]:
    """Start suites in this test's folder, one after the other or (to see them refused) together; all are ended."""
    started = []

    def start(
        data_dir: Path = tmp_path / "data", *arguments: str, env: Mapping[str, str] = MappingProxyType({})
    ) -> Suite:
        started.append(start_suite(data_dir, *arguments, env=env))
        return started[-1]

    yield start
    for suite in started:
        suite.end()


@pytest.fixture(scope="package")
def suite(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Suite]:
    """One running suite for tests that leave it as it was."""
    running = start_suite(tmp_path_factory.mktemp("suite") / "data")
    assert running.lines[-1].startswith("ready "), "\n".join(running.lines)
    yield running
    running.end()


@pytest.fixture(scope="module")
def servers() -> Iterator[Backend]:
    """Postgres and NATS without a suite; not the session's, since these tests stop them and remove streams."""
    with Backend.running() as backend:
        yield backend
