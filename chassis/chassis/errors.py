"""The error tree: one class per reason, understood by every process and told to every caller.

The class name is the reason (`LeadClosed` is LEAD_CLOSED), the docstring its message, keyword arguments the
metadata. Rules raise these; the edges turn them into gRPC statuses and problem documents.
"""

import re
from typing import ClassVar


class CrmError(Exception):
    """Something went wrong inside the suite."""

    code: ClassVar[str] = "INTERNAL"  # the gRPC status by name

    def __init__(self, *violations: tuple[str, str], **metadata: object) -> None:
        """`violations` are (field path, description) pairs; `metadata` values are told as strings."""
        self.violations = list(violations)
        self.metadata = {key: str(value) for key, value in metadata.items()}
        super().__init__(self.message)

    @property
    def reason(self) -> str:
        return re.sub(r"(?<=[a-z0-9])(?=[A-Z])", "_", type(self).__name__).upper()

    @property
    def message(self) -> str:
        text = " ".join((type(self).__doc__ or "").split())
        details = [f"{field}: {said}" for field, said in self.violations]
        details += [f"{key}: {value}" for key, value in self.metadata.items()]
        return f"{text} ({'; '.join(details)})" if details else text


class InvalidArgument(CrmError):
    """The request is wrong whatever the state of the records."""

    code = "INVALID_ARGUMENT"


class FailedPrecondition(CrmError):
    """The record is not in a state that allows this."""

    code = "FAILED_PRECONDITION"


class NotFound(CrmError):
    """There is no such record, or you may not see it."""

    code = "NOT_FOUND"


class AlreadyExists(CrmError):
    """There is such a record already."""

    code = "ALREADY_EXISTS"


class Aborted(CrmError):
    """Somebody else changed the record in the meantime."""

    code = "ABORTED"


class PermissionDenied(CrmError):
    """You may not do this."""

    code = "PERMISSION_DENIED"


class Unauthenticated(CrmError):
    """We do not know who you are."""

    code = "UNAUTHENTICATED"


class ResourceExhausted(CrmError):
    """A limit was reached."""

    code = "RESOURCE_EXHAUSTED"


class Unavailable(CrmError):
    """A part of the suite is away; try again in a moment."""

    code = "UNAVAILABLE"


class DeadlineExceeded(CrmError):
    """It took longer than the caller wanted to wait."""

    code = "DEADLINE_EXCEEDED"


class InvalidFields(InvalidArgument):
    """Some fields are not as they should be."""


class RecordNotFound(NotFound):
    """There is no such record, or you may not see it."""


class RecordExists(AlreadyExists):
    """A record with this name exists already."""


class ExternalIdTaken(AlreadyExists):
    """A record with this external id exists already."""


class StaleEtag(Aborted):
    """The record changed since you read it; read it again and repeat."""


class RequestIdReused(AlreadyExists):
    """This request id was used for a different request."""


class NotPermitted(PermissionDenied):
    """Your roles do not allow this."""


class FilterTooBroad(InvalidArgument):
    """The filter matches too much to be answered in time; add a condition."""


class DatabaseAway(Unavailable):
    """The service cannot reach its database; try again in a moment."""


class DatabaseLost(DatabaseAway):
    """The connection to the database broke while the call was using it. If the call was to change something, it is not
    known whether it did: repeat it with the same request id, or look."""


class PoolerBetween(FailedPrecondition):
    """This needs a connection to Postgres of its own, and DATABASE_URL leads through a pooler: the service lacks the
    setting DATABASE_URL_DIRECT."""


class ServiceAway(Unavailable):
    """A service of the suite cannot be reached; try again in a moment."""


class ServiceMistrusted(Unavailable):
    """A service does not accept the token of another one, as when their clocks differ; try again in a moment."""


class TooBusy(Unavailable):
    """More is asked than can be answered at the moment; try again after a pause."""


class TooManyAtOnce(ResourceExhausted):
    """You have as many calls under way as all others together may start; try again after a pause."""


class CallTooLate(DeadlineExceeded):
    """The call could not be finished within its deadline."""


def by_code(code: str) -> type[CrmError]:
    """The class of the tree's first level with this gRPC status name."""
    branches = (kind for kind in CrmError.__subclasses__() if "code" in vars(kind))
    return next((kind for kind in branches if kind.code == code), CrmError)
