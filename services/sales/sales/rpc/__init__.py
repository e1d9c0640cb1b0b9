"""The calls sales answers: one class per resource, one method per call."""

from crm.sales.v1 import sales_pb2

from sales.rpc.accounts import Accounts
from sales.rpc.activities import Activities
from sales.rpc.contacts import Contacts
from sales.rpc.lead_acceptance import AcceptLead
from sales.rpc.lead_acceptance import LeadAcceptanceService as LeadAcceptanceService
from sales.rpc.opportunities import Opportunities
from sales.rpc.orders import Orders
from sales.rpc.pipelines import Pipelines


class SalesService(Accounts, Contacts, Opportunities, Pipelines, Orders, Activities, AcceptLead):
    descriptor = sales_pb2.DESCRIPTOR.services_by_name["SalesService"]
