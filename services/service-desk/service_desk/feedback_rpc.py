"""Calls about product feedback."""

from chassis.convert import from_message
from chassis.errors import InvalidFields
from chassis.values import business_time, id_of
from chassis.work import Page, Work
from crm.service_desk.v1 import product_feedback_pb2 as pb

from service_desk.domain import Account, Case
from service_desk.product_feedback import ProductFeedback, ProductFeedbackCreated, ProductFeedbackUpdated


class ProductFeedbackService:
    descriptor = pb.DESCRIPTOR.services_by_name["ProductFeedbackService"]

    async def CreateProductFeedback(self, request: pb.CreateProductFeedbackRequest, work: Work) -> ProductFeedback:
        feedback = from_message(request.product_feedback, ProductFeedback)
        feedback.owner, feedback.team = work.caller.actor, work.caller.team
        at = business_time(feedback.feedback_time, work.now, "product_feedback.feedback_time")
        feedback.feedback_time = at
        feedback.normalise()
        await _place(feedback, work)
        _check(feedback)
        work.emit(ProductFeedbackCreated(product_feedback=work.add(feedback), event_time=at))
        return feedback

    async def GetProductFeedback(self, request: pb.GetProductFeedbackRequest, work: Work) -> ProductFeedback:
        return await work.get(ProductFeedback, request.name)

    async def ListProductFeedbacks(self, request: pb.ListProductFeedbacksRequest, work: Work) -> Page[ProductFeedback]:
        return await work.page(ProductFeedback, request)

    async def UpdateProductFeedback(self, request: pb.UpdateProductFeedbackRequest, work: Work) -> ProductFeedback:
        given = request.product_feedback
        feedback = await work.get(ProductFeedback, given.name, given.etag)
        changed = work.update(feedback, given, request.update_mask.paths, "product_feedback", ProductFeedback.normalise)
        path = "product_feedback.feedback_time"
        feedback.feedback_time = business_time(feedback.feedback_time, work.now, path)
        _check(feedback)
        if changed:
            work.emit(ProductFeedbackUpdated(product_feedback=feedback, fields=changed, event_time=work.now))
        return feedback


async def _place(feedback: ProductFeedback, work: Work) -> None:
    """Where it came from: a case says of which customer and person; what is named can be read by the caller."""
    if feedback.case:
        case = await work.find_one(Case, id=id_of(feedback.case))
        if case is None or not work.may_read(case):
            raise InvalidFields(("product_feedback.case", f"{feedback.case} is not known, or you may not see it"))
        for name in ("account", "contact"):
            if getattr(case, name) and getattr(feedback, name) not in ("", getattr(case, name)):
                raise InvalidFields((f"product_feedback.{name}", f"is not that of {feedback.case}"))
        feedback.account, feedback.contact = case.account, feedback.contact or case.contact
        feedback.journey_id = case.journey_id
    elif feedback.account:
        account = await work.find_one(Account, id=id_of(feedback.account))
        if account is None or not work.may_read(account):
            said = f"{feedback.account} is not known here (yet), or you may not see it"
            raise InvalidFields(("product_feedback.account", said))
        feedback.journey_id = account.journey_id


def _check(feedback: ProductFeedback) -> None:
    if not feedback.came_from_somebody:
        raise InvalidFields(("product_feedback", "says neither whose account nor who said it"))
    if feedback.lead_wanted and not feedback.names_somebody:
        said = "needs a name, an e-mail address or a phone number"
        raise InvalidFields(("product_feedback.lead_wanted", said))
