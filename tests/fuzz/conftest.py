"""One suite for all fuzzing, started as a newcomer starts it, empty."""

import pytest
from whole_suite import start


@pytest.fixture(scope="session")
def suite(tmp_path_factory):
    running = start(tmp_path_factory.mktemp("fuzz") / "data", SAMPLE="0")
    yield running
    running.stop()
