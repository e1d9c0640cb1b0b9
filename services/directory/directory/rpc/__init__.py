"""The calls directory answers: one class per resource, one method per call."""

from crm.directory.v1 import calendars_pb2, custom_fields_pb2

from directory.rpc.absences import Absences
from directory.rpc.calendars import Calendars
from directory.rpc.custom_fields import CustomFields
from directory.rpc.directory import DirectoryService as DirectoryService


class CalendarService(Calendars, Absences):
    descriptor = calendars_pb2.DESCRIPTOR.services_by_name["CalendarService"]


class CustomFieldService(CustomFields):
    descriptor = custom_fields_pb2.DESCRIPTOR.services_by_name["CustomFieldService"]
