"""What the tests of permissions share."""

import sys
from pathlib import Path

import pytest
from contracts import files

sys.path.insert(0, str(Path(__file__).parent))


@pytest.fixture(scope="session", autouse=True)
def documents_in_memory():
    """A process opens its store once; the setting is there only while ours does."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("FILES_URL", "memory:///")
        return files.store()
