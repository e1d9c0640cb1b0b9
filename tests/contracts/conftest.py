"""Documents of these tests stay in memory."""

import os

os.environ["FILES_URL"] = "memory:///"
