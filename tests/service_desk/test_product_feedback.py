"""Product feedback over gRPC: what was said, by whom, and who sees it."""

import pytest
from chassis.errors import Aborted, InvalidFields, NotFound, PermissionDenied
from chassis.values import new_id
from crm.service_desk.v1 import product_feedback_pb2 as pb
from crm.service_desk.v1 import service_desk_pb2
from told import account_created, stamp

DORA = "users/dora"


async def call(desk, method, by=DORA, **fields):
    return await desk.call(f"ProductFeedbackService/{method}", getattr(pb, f"{method}Request")(**fields), by=by)


async def said(desk, by=DORA, **fields):
    given = {"product": "oven-3", "kind": "WISH", "text": "Да има таймер", "display_name": "Иван"} | fields
    return await call(desk, "CreateProductFeedback", by, product_feedback=given)


async def a_case(desk, **fields):
    account = account_created()
    await desk.react(account)
    given = {"display_name": "Broken", "account": account.account.name} | fields
    request = service_desk_pb2.OpenCaseRequest(case=given)
    return await desk.call("ServiceDeskService/OpenCase", request, by=DORA)


async def test_a_case_says_whose_word_it_is(service_desk):
    case = await a_case(service_desk, contact=f"contacts/{new_id()}")
    made = await said(service_desk, case=case.name, display_name="")
    assert (made.account, made.contact, made.journey_id) == (case.account, case.contact, case.journey_id)
    assert (made.owner, made.team, made.kind) == (DORA, "teams/service", pb.ProductFeedback.WISH)
    assert made.HasField("feedback_time")
    assert await service_desk.events(made.name) == ["ProductFeedbackCreated"]
    assert await call(service_desk, "GetProductFeedback", name=made.name) == made


async def test_an_account_alone_gives_its_journey_and_a_person_alone_gives_none(service_desk):
    account = account_created()
    await service_desk.react(account)
    of_account = await said(service_desk, account=account.account.name)
    assert of_account.journey_id == account.account.journey_id
    of_nobody = await said(service_desk, email="Ana@Rosa.Example")
    assert (of_nobody.account, of_nobody.journey_id, of_nobody.email) == ("", "", "ana@rosa.example")


@pytest.mark.parametrize(
    ("wrong", "field"),
    [
        ({"display_name": ""}, "product_feedback"),
        ({"product": "Пещ 3"}, "product"),
        ({"kind": 0}, "kind"),
        ({"kind": 9}, "kind"),
        ({"text": ""}, "text"),
        ({"email": "ana"}, "email"),
        ({"feedback_time": stamp(3)}, "feedback_time"),
        ({"case": f"cases/{new_id()}"}, "case"),
        ({"account": f"accounts/{new_id()}"}, "account"),
        ({"contact": f"contacts/{new_id()}", "display_name": "", "lead_wanted": True}, "lead_wanted"),
    ],
)
async def test_what_cannot_be_true_is_refused_with_its_field(service_desk, wrong, field):
    with pytest.raises(InvalidFields, match=field):
        await said(service_desk, **wrong)


async def test_a_case_of_one_customer_brings_no_word_of_another(service_desk):
    case, other = await a_case(service_desk), await a_case(service_desk)
    with pytest.raises(InvalidFields, match="account"):
        await said(service_desk, case=case.name, account=other.account)


async def test_each_sees_what_their_reach_allows(service_desk):
    made = await said(service_desk)
    with pytest.raises(NotFound):
        await call(service_desk, "GetProductFeedback", "users/ana", name=made.name)
    with pytest.raises(PermissionDenied):
        await call(service_desk, "GetProductFeedback", "users/marta", name=made.name)
    of_ana = await said(service_desk, by="users/ana")
    page = await call(service_desk, "ListProductFeedbacks", "users/ana", page_size=1000)
    assert {one.owner for one in page.product_feedbacks} == {"users/ana"}
    assert of_ana.name in [one.name for one in page.product_feedbacks]


async def test_a_case_beyond_the_own_reach_is_not_named(service_desk):
    case = await a_case(service_desk)
    with pytest.raises(InvalidFields, match="may not see it"):
        await said(service_desk, by="users/chen", case=case.name)


async def test_feedback_is_found_by_product_and_kind_and_time(service_desk):
    product = f"products/{new_id()}"
    wish = await said(service_desk, product=product, feedback_time=stamp(-5))
    defect = await said(service_desk, product=product, kind="DEFECT")
    asked = f'product = "{product}"'

    async def found(more):
        page = await call(service_desk, "ListProductFeedbacks", filter=asked + more)
        return [one.name for one in page.product_feedbacks]

    assert await found("") == [defect.name, wish.name]
    assert await found(" AND kind = WISH") == [wish.name]
    since = stamp(-2).ToJsonString()
    assert await found(f' AND feedback_time >= "{since}"') == [defect.name]


async def test_what_is_written_wrong_is_mended_and_where_it_came_from_stays(service_desk):
    made = await said(service_desk)
    changed = {"name": made.name, "etag": made.etag, "kind": "DEFECT"}
    mended = await call(service_desk, "UpdateProductFeedback", product_feedback=changed)
    assert (mended.kind, mended.text) == (pb.ProductFeedback.DEFECT, made.text)
    assert await service_desk.events(made.name) == ["ProductFeedbackCreated", "ProductFeedbackUpdated"]
    with pytest.raises(Aborted):
        await call(service_desk, "UpdateProductFeedback", product_feedback=changed)
    moved = {"name": made.name, "account": f"accounts/{new_id()}"}
    with pytest.raises(InvalidFields, match="account"):
        await call(service_desk, "UpdateProductFeedback", product_feedback=moved)
    nobody = pb.UpdateProductFeedbackRequest(product_feedback={"name": made.name})
    nobody.update_mask.paths.append("display_name")
    with pytest.raises(InvalidFields, match="nor who said it"):
        await service_desk.call("ProductFeedbackService/UpdateProductFeedback", nobody, by=DORA)
