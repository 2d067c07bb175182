"""Offers, their versions, who agreed to them, and what was signed."""

from quotes.models.approvals import ApprovalDeputy, ApprovalRule, ApprovalStep
from quotes.models.notes import QuoteComment, QuoteTemplate
from quotes.models.opportunities import Opportunity, OpportunityReference, QuoteReference
from quotes.models.quotes import Quote, QuoteLine, QuotePhase, QuoteSequence, QuoteVersion
from quotes.models.renewals import ContractRenewal, RenewalNotice
from quotes.models.signing import OrderForm, SignatureEvidence, Signer, SigningLink
from quotes.models.steps import DraftStep

__all__ = [
    "ApprovalDeputy",
    "ApprovalRule",
    "ApprovalStep",
    "ContractRenewal",
    "DraftStep",
    "Opportunity",
    "OpportunityReference",
    "OrderForm",
    "Quote",
    "QuoteComment",
    "QuoteLine",
    "QuotePhase",
    "QuoteReference",
    "QuoteSequence",
    "QuoteTemplate",
    "QuoteVersion",
    "RenewalNotice",
    "SignatureEvidence",
    "Signer",
    "SigningLink",
]
