"""Loaded by schemathesis: writes down each call with its answer, one line each, into the file CALLS."""

import os
from typing import Any

import schemathesis

_calls = open(os.environ["CALLS"], "a", buffering=1)  # noqa: SIM115 - open as long as the process lives


@schemathesis.hook
def before_call(context: Any, case: Any, kwargs: Any) -> None:
    """A stream goes on for minutes; its beginning says whether it is well."""
    if "text/event-stream" in str(case.operation.definition.raw["responses"]["200"]):
        case.headers["Request-Timeout"] = "1"


@schemathesis.hook
def after_call(context: Any, case: Any, response: Any) -> None:
    print(case.operation.definition.raw["operationId"], response.status_code, case.meta.phase.name.value, file=_calls)
