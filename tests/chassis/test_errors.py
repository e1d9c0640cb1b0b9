"""The error tree: a class is a reason, its docstring the message, its keyword arguments the metadata."""

import pytest
from chassis.errors import CrmError, FailedPrecondition, InvalidFields, StaleEtag, by_code

from chassis import errors


class LeadTooOld(FailedPrecondition):
    """The lead is
    too old."""


def every_error(kind: type[CrmError] = CrmError) -> list[type[CrmError]]:
    return [kind, *(deeper for below in kind.__subclasses__() for deeper in every_error(below))]


def test_the_class_name_is_the_reason():
    assert LeadTooOld().reason == "LEAD_TOO_OLD"


def test_the_docstring_on_one_line_is_the_message():
    assert LeadTooOld().message == "The lead is too old."


def test_keyword_arguments_are_the_metadata_and_told_in_the_message():
    error = LeadTooOld(lead="leads/1", days=30)
    assert error.metadata == {"lead": "leads/1", "days": "30"}
    assert str(error) == "The lead is too old. (lead: leads/1; days: 30)"


def test_violations_are_told_with_their_fields():
    assert str(InvalidFields(("lead.email", "is missing"))).endswith("(lead.email: is missing)")


def test_a_subclass_has_the_code_of_its_branch():
    assert StaleEtag().code == "ABORTED"


@pytest.mark.parametrize("kind", every_error(), ids=lambda kind: kind.__name__)
def test_every_error_says_in_words_what_happened(kind):
    assert kind().message.endswith(".") or "tests" in kind.__module__


def test_two_errors_never_share_a_reason():
    reasons = [kind().reason for kind in every_error() if kind.__module__ == errors.__name__]
    assert len(reasons) == len(set(reasons))


def test_an_unknown_code_is_the_root_of_the_tree():
    assert by_code("DATA_LOSS") is CrmError
    assert by_code("ABORTED") is errors.Aborted
