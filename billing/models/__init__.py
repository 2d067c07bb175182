"""What is owed: schedules made from signed terms, their periods, invoices, credits, payments."""

from billing.models.credit_requests import CreditRequest
from billing.models.credits import (
    CreditGrant,
    CreditPlan,
    CreditSale,
    CreditTerms,
    CreditTopUp,
    CreditTransaction,
    InvoiceCredit,
)
from billing.models.desk import (
    AssertionFailure,
    AssertionRule,
    CalculationMark,
    CustomerBilling,
    InvoiceApproval,
    InvoiceComment,
    InvoiceComparison,
    Reminder,
    ReminderPlan,
)
from billing.models.documents import (
    CreditNote,
    CreditNoteLine,
    DocumentSequence,
    Payment,
    PaymentAllocation,
    PaymentRefund,
)
from billing.models.estimates import UsageEstimate
from billing.models.invoices import BillingPeriod, Invoice, InvoiceLine, Recalculation
from billing.models.late import LateUsageDecision
from billing.models.paper import DocumentFile, DocumentRecipient, MailText
from billing.models.schedules import BillingSchedule, Phase, UnusedTime
from billing.models.seats import SeatBalance
from billing.models.splits import DraftChange
from billing.models.tax import CustomerTaxRate, TaxRate, TaxSetting

__all__ = [
    "AssertionFailure",
    "AssertionRule",
    "BillingPeriod",
    "BillingSchedule",
    "CalculationMark",
    "CreditGrant",
    "CreditNote",
    "CreditNoteLine",
    "CreditPlan",
    "CreditRequest",
    "CreditSale",
    "CreditTerms",
    "CreditTopUp",
    "CreditTransaction",
    "CustomerBilling",
    "CustomerTaxRate",
    "DocumentFile",
    "DocumentRecipient",
    "DocumentSequence",
    "DraftChange",
    "Invoice",
    "InvoiceApproval",
    "InvoiceComment",
    "InvoiceComparison",
    "InvoiceCredit",
    "InvoiceLine",
    "LateUsageDecision",
    "MailText",
    "Payment",
    "PaymentAllocation",
    "PaymentRefund",
    "Phase",
    "Recalculation",
    "Reminder",
    "ReminderPlan",
    "SeatBalance",
    "TaxRate",
    "TaxSetting",
    "UnusedTime",
    "UsageEstimate",
]
