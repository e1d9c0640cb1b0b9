"""One suite for all fuzzing, started as a newcomer starts it, with the sample company."""

import pytest
from fuzz.world import World
from whole_suite import start


@pytest.fixture(scope="session")
def suite(tmp_path_factory):
    running = start(tmp_path_factory.mktemp("fuzz") / "data")
    yield running
    running.stop()


@pytest.fixture(scope="session")
def world(suite) -> World:
    return World(suite.client())
