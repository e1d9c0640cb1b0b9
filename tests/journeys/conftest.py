"""The whole suite, empty, for all journeys."""

from collections.abc import Iterator

import pytest
from whole_suite import Suite, start


@pytest.fixture(scope="package")
def suite(tmp_path_factory) -> Iterator[Suite]:
    running = start(tmp_path_factory.mktemp("suite") / "data", SAMPLE="0")
    yield running
    assert running.stop() == 0
