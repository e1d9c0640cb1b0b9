"""What comes in about people who may buy."""

from chassis.convert import from_message, moment, to_message
from chassis.errors import InvalidFields
from chassis.values import business_time
from chassis.work import Page, Work
from crm.leads.v1 import captures_pb2

from leads import capturing
from leads.domain import mail, reading
from leads.domain.capture import LONGEST_RECEIVED, Capture, Kind, LeadFields


class Captures:
    async def CaptureLead(self, request: captures_pb2.CaptureLeadRequest, work: Work) -> Capture | captures_pb2.Capture:
        work.retry_conflicts = True  # the same thing came in twice at the same moment: look again
        capture, answers, why_not = _read(request, work)
        if known := await capturing.known(capture, work):
            return known
        plan = await capturing.plan(capture, work, answers, why_not)
        if request.validate_only:
            return _previewed(capture, plan)
        work.add(capture)
        await capturing.carry_out(plan, capture, work)
        return capture

    async def GetCapture(self, request: captures_pb2.GetCaptureRequest, work: Work) -> Capture:
        return await work.get(Capture, request.name)

    async def ListCaptures(self, request: captures_pb2.ListCapturesRequest, work: Work) -> Page[Capture]:
        return await work.page(Capture, request)

    async def RepairCapture(self, request: captures_pb2.RepairCaptureRequest, work: Work) -> Capture:
        capture = await work.get(Capture, request.name, request.etag)
        capture.check_open()
        capture.fill(from_message(request.fields, LeadFields))
        await capturing.carry_out(await capturing.plan(capture, work), capture, work)
        return capture

    async def RetryCapture(self, request: captures_pb2.RetryCaptureRequest, work: Work) -> Capture:
        capture = await work.get(Capture, request.name, request.etag)
        capture.check_open()
        await capturing.carry_out(await capturing.plan(capture, work), capture, work)
        return capture


def _read(request: captures_pb2.CaptureLeadRequest, work: Work) -> tuple[Capture, list[str], str]:
    """The capture, the Message-IDs it answers, and why a machine's e-mail is none."""
    kind = Kind[request.WhichOneof("source").upper()]
    given = moment(request.contact_time, "contact_time") if request.HasField("contact_time") else None
    capture = Capture(kind=kind, owner=work.caller.actor, team=work.caller.team, journey_id=request.journey_id)
    capture.contact_time = business_time(given, work.now, "contact_time")
    capture.capture_key = _clean(request.capture_key, "capture_key") or None
    capture.material_link = reading.material_link(request.material_link)
    answers, why_not = [], ""
    match kind:
        case Kind.QUICK_ENTRY:
            capture.received = _clean(request.quick_entry.text, "quick_entry.text")
            capture.fill(reading.quick_entry(capture.received))
        case Kind.WEB_FORM:
            values = {key: _clean(value, "web_form.values") for key, value in request.web_form.values.items()}
            _came_by(capture, request.web_form.page_url, request.web_form.referrer_url)
            capture.received = "\n".join(f"{key}: {value}" for key, value in values.items())
            capture.fill(reading.web_form(values))
        case Kind.CHAT:
            lines = [(line.by_visitor, _clean(line.text, "chat.lines")) for line in request.chat.lines]
            _came_by(capture, request.chat.page_url, "")
            capture.fill(reading.chat(lines))
            capture.received = capture.note
        case Kind.EMAIL:
            read = mail.read(request.email.message)
            capture.fill(read.fields)
            capture.message_id, answers, why_not = read.message_id, read.answers, read.why_not
            capture.capture_key = capture.capture_key or read.message_id or None
            capture.received = read.text
        case Kind.REFERRAL:
            capture.referred_by = request.referral.referred_by
    capture.received = capture.received[:LONGEST_RECEIVED]
    capture.fill(from_message(request.fields, LeadFields))
    return capture, answers, why_not


def _clean(text: str, field_path: str) -> str:
    if "\0" in text:
        raise InvalidFields((field_path, "contains a NUL character"))
    return text


def _came_by(capture: Capture, page_url: str, referrer_url: str) -> None:
    capture.page_url, capture.referrer_url = _clean(page_url, "page_url"), _clean(referrer_url, "referrer_url")
    capture.campaign = reading.campaign(page_url)
    capture.material_link = capture.material_link or reading.material_link_of(page_url)


def _previewed(capture: Capture, plan: capturing.Plan) -> captures_pb2.Capture:
    """What would become of it. A preview has no name, and stands nowhere."""
    capture.reason, capture.lead = plan.reason, plan.existing.name if plan.existing else ""
    message = to_message(capture, captures_pb2.Capture)
    for name in ("name", "etag", "state"):
        message.ClearField(name)
    return message
