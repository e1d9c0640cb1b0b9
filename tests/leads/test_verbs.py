"""The verbs of leads over gRPC: what they change, what they refuse, what they tell."""

import pytest
from chassis.errors import Aborted, FailedPrecondition, InvalidFields, NotFound, PermissionDenied
from crm.leads.v1 import leads_pb2 as pb

BY = "users/root"


async def call(leads, method, request, by=BY):
    return await leads.call(f"LeadService/{method}", request, by=by)


async def new(leads, by=BY, **fields) -> pb.Lead:
    request = pb.CreateLeadRequest(lead=pb.Lead(**({"display_name": "Ана Петрова"} | fields)))
    return await call(leads, "CreateLead", request, by)


async def test_an_update_changes_only_what_its_mask_names(leads):
    made = await new(leads, company="Rosa", note="old")
    lead = pb.Lead(name=made.name, company="Роза", note="ignored")
    changed = await call(leads, "UpdateLead", pb.UpdateLeadRequest(lead=lead, update_mask={"paths": ["company"]}))
    assert (changed.company, changed.note) == ("Роза", "old")
    assert await leads.events(made.name) == ["LeadCreated", "LeadUpdated"]


async def test_an_update_that_changes_nothing_tells_nothing(leads):
    made = await new(leads, email="same@one.example")
    lead = pb.Lead(name=made.name, email="SAME@one.example")
    assert (await call(leads, "UpdateLead", pb.UpdateLeadRequest(lead=lead))).etag == made.etag
    assert await leads.events(made.name) == ["LeadCreated"]


async def test_an_update_with_a_stale_etag_is_refused(leads):
    made = await new(leads)
    await call(leads, "UpdateLead", pb.UpdateLeadRequest(lead=pb.Lead(name=made.name, note="first")))
    stale = pb.Lead(name=made.name, etag=made.etag, note="second")
    with pytest.raises(Aborted):
        await call(leads, "UpdateLead", pb.UpdateLeadRequest(lead=stale))


async def test_the_owner_is_changed_by_assigning_only(leads):
    made = await new(leads)
    lead = pb.Lead(name=made.name, owner="users/ana")
    with pytest.raises(InvalidFields, match="AssignLead"):
        await call(leads, "UpdateLead", pb.UpdateLeadRequest(lead=lead))


async def test_the_journey_cannot_be_changed(leads):
    made = await new(leads)
    lead = pb.Lead(name=made.name, journey_id="01890000-0000-7000-8000-000000000000")
    with pytest.raises(InvalidFields, match="journey_id"):
        await call(leads, "UpdateLead", pb.UpdateLeadRequest(lead=lead))


async def test_an_archived_lead_is_out_of_lists_until_restored(leads):
    made = await new(leads, channel="channels/attic")
    await call(leads, "ArchiveLead", pb.ArchiveLeadRequest(name=made.name))
    asked = 'channel = "channels/attic"'
    assert not (await call(leads, "ListLeads", pb.ListLeadsRequest(filter=asked))).leads
    assert (await call(leads, "ListLeads", pb.ListLeadsRequest(filter=asked, show_archived=True))).leads
    await call(leads, "RestoreLead", pb.RestoreLeadRequest(name=made.name))
    assert (await call(leads, "ListLeads", pb.ListLeadsRequest(filter=asked))).leads


async def test_a_call_moves_a_new_lead_to_working(leads):
    made = await new(leads)
    request = pb.LogCallRequest(name=made.name, outcome=pb.LogCallRequest.REACHED, note="call again in May")
    worked = await call(leads, "LogCall", request)
    assert (worked.state, worked.call_count) == (pb.Lead.WORKING, 1)
    assert await leads.events(made.name) == ["LeadCreated", "LeadCalled"]


async def test_a_time_more_than_a_day_ahead_is_refused(leads):
    made = await new(leads)
    request = pb.LogCallRequest(name=made.name)
    request.call_time.FromJsonString("2999-01-01T00:00:00Z")
    with pytest.raises(InvalidFields, match="call_time"):
        await call(leads, "LogCall", request)


async def test_a_disqualified_lead_cannot_be_qualified(leads):
    made = await new(leads, owner="users/ana")
    closed = await call(leads, "DisqualifyLead", pb.DisqualifyLeadRequest(name=made.name, reason="no_budget"))
    assert (closed.state, closed.disqualify_reason) == (pb.Lead.DISQUALIFIED, "no_budget")
    with pytest.raises(FailedPrecondition, match="DISQUALIFIED"):
        await call(leads, "QualifyLead", pb.QualifyLeadRequest(name=made.name))


async def test_the_checklist_is_the_companys(leads):
    settings = await call(leads, "GetLeadSettings", pb.GetLeadSettingsRequest())
    assert list(settings.qualification_checklist) == [pb.LeadSettings.OWNER]
    strict = pb.LeadSettings(qualification_checklist=[pb.LeadSettings.OWNER, pb.LeadSettings.EMAIL])
    await call(leads, "UpdateLeadSettings", pb.UpdateLeadSettingsRequest(lead_settings=strict))
    made = await new(leads, owner="users/ana")
    try:
        with pytest.raises(FailedPrecondition, match="EMAIL"):
            await call(leads, "QualifyLead", pb.QualifyLeadRequest(name=made.name))
    finally:
        usual = pb.LeadSettings(qualification_checklist=[pb.LeadSettings.OWNER])
        await call(leads, "UpdateLeadSettings", pb.UpdateLeadSettingsRequest(lead_settings=usual))
    assert (await call(leads, "QualifyLead", pb.QualifyLeadRequest(name=made.name))).state == pb.Lead.QUALIFIED


async def test_a_change_of_the_settings_is_told(leads):
    settings = pb.LeadSettings(disqualify_reasons=["no_budget", "changed_their_mind"])
    request = pb.UpdateLeadSettingsRequest(lead_settings=settings)
    request.update_mask.paths.append("disqualify_reasons")
    before = await leads.events("leadSettings/settings")
    await call(leads, "UpdateLeadSettings", request)
    await call(leads, "UpdateLeadSettings", request)  # nothing changes
    assert await leads.events("leadSettings/settings") == [*before, "LeadSettingsUpdated"]
    settings.disqualify_reasons[:] = []
    await call(leads, "UpdateLeadSettings", request)


async def test_only_who_may_configure_changes_the_checklist(leads):
    request = pb.UpdateLeadSettingsRequest(lead_settings=pb.LeadSettings(disqualify_reasons=["none"]))
    with pytest.raises(PermissionDenied):
        await call(leads, "UpdateLeadSettings", request, by="users/ana")


async def test_an_inactive_or_unknown_person_is_never_assigned(leads):
    made = await new(leads)
    for owner in ("users/gone", "users/nobody"):
        with pytest.raises(InvalidFields, match=owner):
            await call(leads, "AssignLead", pb.AssignLeadRequest(name=made.name, owner=owner))


async def test_assigning_names_either_a_person_or_a_team(leads):
    made = await new(leads)
    for request in (
        pb.AssignLeadRequest(name=made.name),
        pb.AssignLeadRequest(name=made.name, owner="users/ana", team="teams/north"),
    ):
        with pytest.raises(InvalidFields):
            await call(leads, "AssignLead", request)


async def test_a_team_of_nobody_is_said(leads):
    made = await new(leads)
    with pytest.raises(FailedPrecondition, match="NOBODY_TO_ASSIGN"):
        await call(leads, "AssignLead", pb.AssignLeadRequest(name=made.name, team="teams/empty"))


async def test_a_lead_that_is_not_qualified_is_not_converted(leads):
    made = await new(leads, owner="users/ana")
    with pytest.raises(FailedPrecondition, match="ASSIGNED"):
        await call(leads, "ConvertLead", pb.ConvertLeadRequest(name=made.name))


async def test_a_lead_that_is_not_there_is_not_found(leads):
    for name in ("leads/nonsense", "leads/01890000-0000-7000-8000-000000000000"):
        with pytest.raises(NotFound):
            await call(leads, "GetLead", pb.GetLeadRequest(name=name))
