"""The identities that hold at every commit, checked on what is stored: ``manage.py verify``.

Each module holds the checks of one area; importing it registers them.
"""

from monetization.config.verify import (
    audit,
    contracts,
    credits,
    integrations,
    invoices,
    ledger,
    metering,
    platform,
    receivables,
    revenue,
)
from monetization.config.verify.base import CHECKS, Check, Figure, Found
from monetization.config.verify.runner import Outcome, TenantReport, verify_tenant

__all__ = [
    "CHECKS",
    "Check",
    "Figure",
    "Found",
    "Outcome",
    "TenantReport",
    "audit",
    "contracts",
    "credits",
    "integrations",
    "invoices",
    "ledger",
    "metering",
    "platform",
    "receivables",
    "revenue",
    "verify_tenant",
]
