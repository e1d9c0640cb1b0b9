"""Where a lead stands, and what is refused for that."""

from enum import Enum

from chassis.errors import FailedPrecondition


class LeadClosed(FailedPrecondition):
    "The lead was already converted or disqualified."


class LeadConverting(FailedPrecondition):
    "The lead is being converted; its account, contact and opportunity are on their way."


class LeadMergedAway(FailedPrecondition):
    "The lead was merged into another one, which goes on in its place."


class LeadNurturing(FailedPrecondition):
    "The lead is being nurtured; wake it first."


class LeadNotAssigned(FailedPrecondition):
    "Only a lead that was given to somebody, and not taken on yet, can be accepted or rejected."


class LeadNotInHand(FailedPrecondition):
    "Only a lead that somebody has, and that is not qualified yet, goes back to the queue."


class LeadNotNurturing(FailedPrecondition):
    "Only a lead that is being nurtured can be woken."


class LeadNotDisqualified(FailedPrecondition):
    "Only a disqualified lead can be opened again."


class NurturedTooOften(FailedPrecondition):
    "The lead was nurtured as often as the company allows."


class LeadNotQualified(FailedPrecondition):
    "Only a qualified lead can be converted."


class LeadNotConverted(FailedPrecondition):
    "Only the conversion of a converted lead can be taken back."


class ConversionIsFinal(FailedPrecondition):
    "The time in which the conversion could be taken back is over."


class ConversionBuiltUpon(FailedPrecondition):
    "What the conversion made was changed or used since, so it cannot be taken back."


class ChecklistNotMet(FailedPrecondition):
    "The lead lacks what the company asks of a qualified lead."


class LeadArchivedAlready(FailedPrecondition):
    "The lead is archived already."


class LeadNotArchived(FailedPrecondition):
    "The lead is not archived."


class State(Enum):
    NEW = 1
    ASSIGNED = 2
    WORKING = 3
    QUALIFIED = 4
    CONVERTING = 5
    CONVERTED = 6
    DISQUALIFIED = 7
    MERGED = 8
    NURTURING = 9


OPEN = frozenset({State.NEW, State.ASSIGNED, State.WORKING, State.QUALIFIED})
# Somebody may still hear from us: what comes in about them belongs to this lead.
LIVE = OPEN | {State.NURTURING}
# In these a lead is out of reach of most verbs, and this says why.
REFUSAL: dict[State, type[FailedPrecondition]] = {
    State.CONVERTING: LeadConverting,
    State.CONVERTED: LeadClosed,
    State.DISQUALIFIED: LeadClosed,
    State.MERGED: LeadMergedAway,
    State.NURTURING: LeadNurturing,
}


class CallOutcome(Enum):
    OUTCOME_UNSPECIFIED = 0
    REACHED = 1
    NO_ANSWER = 2
    CALL_BACK = 3
    WRONG_NUMBER = 4


class WakeCause(Enum):
    DATE = 1
    TOUCH = 2
    REQUEST = 3
    ANSWER = 4
    SCORE = 5
