"""Documents of these tests stay in memory."""

import pytest
from contracts import files


@pytest.fixture(scope="session", autouse=True)
def documents_in_memory():
    """A process opens its store once; the setting is there only while ours does."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("FILES_URL", "memory:///")
        return files.store()
