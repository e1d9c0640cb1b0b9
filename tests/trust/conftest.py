"""One whole suite with the sample company, which talks as much as it can."""

from collections.abc import Iterator

import pytest
from whole_suite import Suite, start


@pytest.fixture(scope="package")
def suite(tmp_path_factory) -> Iterator[Suite]:
    running = start(tmp_path_factory.mktemp("suite") / "data", SAMPLE="1", LOG_LEVEL="DEBUG")
    yield running
    assert running.stop() == 0
