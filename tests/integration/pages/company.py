"""A company that has one of everything a page's address can name, and all of those addresses."""

import hashlib
from collections.abc import Iterator
from datetime import date
from decimal import Decimal
from typing import Any

from django.apps import apps
from django.core.files.uploadedfile import SimpleUploadedFile
from django.test import Client
from django.urls import URLPattern, get_resolver, reverse
from django.utils import timezone

from billing.models import Invoice
from integrations.models import OnlinePayment, Push, SignatureRequest
from integrations.stripe import links
from metering.domain.events import UsageEvent
from metering.selectors import list_events
from metering.services import record_usage_events
from monetization.events.models import Event, EventDelivery
from monetization.interface.models import SavedView
from monetization.mail.services import queue_mail
from monetization.tenancy.context import tenant_context
from monetization.users.models import ApiKey
from quotes import services
from quotes.models import ContractRenewal, QuoteVersion, RenewalNotice
from quotes.services.links import make_token
from tests.factories import make_member
from tests.factories_billing import make_customer
from tests.integration.api.calls import good_calls
from tests.integration.api.conftest import CALLS, PLATFORM, Api, line_of

BACKEND = "django.contrib.auth.backends.ModelBackend"
# Pages of somebody else's (Django, allauth), calls of programs: the API has a fuzzer of its own.
NOT_PAGES = ("accounts/", "admin/", "api/", "^api/", "compat/", "callbacks/")
# What the last part of an address names, by the name it has there or, where that says too
# little, by the page's.
MODELS = {
    "alerts:rule_id": "alerts.AlertRule",
    "billing:rule_id": "billing.CreditTopUp",
    "billing:rate_id": "billing.TaxRate",
    "billing:customer-tax-remove": "billing.CustomerTaxRate",
    "billing:job_id": "jobs.Job",
    "billing:request_id": "billing.CreditRequest",
    "catalog:rule_id": "catalog.TermDiscount",
    "integrations:request_id": "integrations.SignatureRequest",
    "quotes:rule_id": "quotes.ApprovalRule",
    "webhooks:delivery_id": "webhooks.WebhookDelivery",
    "change_id": "billing.DraftChange",
    "contact_id": "customers.BillingContact",
    "customer_id": "customers.Customer",
    "delivery_id": "events.EventDelivery",
    "deputy_id": "quotes.ApprovalDeputy",
    "document_id": "documents.Document",
    "endpoint_id": "webhooks.WebhookEndpoint",
    "entity_id": "tenancy.LegalEntity",
    "event_id": "events.Event",
    "grant_id": "billing.CreditGrant",
    "import_id": "crm.CrmImport",
    "invoice_id": "billing.Invoice",
    "job_id": "jobs.Job",
    "line_id": "billing.InvoiceLine",
    "mail_id": "mail.OutgoingMail",
    "membership_id": "users.Membership",
    "meter_id": "metering.Meter",
    "note_id": "billing.CreditNote",
    "opportunity_id": "quotes.Opportunity",
    "order_form_id": "quotes.OrderForm",
    "plan_id": "billing.CreditPlan",
    "price_id": "catalog.Price",
    "product_id": "catalog.Product",
    "push_id": "integrations.Push",
    "quote_id": "quotes.Quote",
    "renewal_id": "quotes.ContractRenewal",
    "row_id": "integrations.OnlinePayment",
    "schedule_id": "billing.BillingSchedule",
    "signer_id": "quotes.Signer",
    "step_id": "quotes.ApprovalStep",
    "template_id": "quotes.QuoteTemplate",
    "version_id": "quotes.QuoteVersion",
    "view_id": "interface.SavedView",
}


class Company:
    """Northwind Software after some busy months, and the tokens its customers were mailed."""

    def __init__(self, tenant: Any) -> None:
        self.tenant = tenant
        self.tokens: dict[str, str] = {}
        self.uploads: list[str] = []
        self.usage_events: list[Any] = []
        self.owner = make_member(tenant)
        self.clients = {"owner": Client()}
        self.clients["owner"].force_login(self.owner, backend=BACKEND)

    def inside(self) -> Any:
        return tenant_context(self.tenant.id, actor="test")

    def fill(self) -> None:
        api = Api(self.tenant)
        platform, calls = _catalog(api)
        good_calls(api, self.inside, platform, calls)
        self._quotes(api, platform)
        with self.inside():
            self._elsewhere()
        self._files()

    def _quotes(self, api: Api, platform: Any) -> None:
        with self.inside():
            who = make_customer("Zenith")
        who_id = str(who.id)
        api.made(f"customers/{who_id}/contacts", {"name": "Ann", "email": "ann@example.com"})
        phase = {
            "months": 12,
            "lines": [line_of(platform), line_of(platform, item_key="more", is_optional=True)],
        }
        versions = []
        rules = api.get("approval-rules").json()["results"]
        api.made(
            f"approval-rules/{rules[0]['id']}", {"is_active": False}, method="patch", status=200
        )
        for title in ("To be signed", "Draft", "Renews", "Elsewhere"):
            quote = api.made(
                "quotes", {"customer": who_id, "title": title, "start_on": "2027-01-01"}
            )
            body = {"phases": [phase], "auto_renew": title == "Renews"}
            api.made(f"quotes/{quote['id']}/draft", body, method="put", status=200)
            with self.inside():
                versions.append(QuoteVersion.objects.get(quote_id=quote["id"]).id)
        now = timezone.now()
        with self.inside():
            address = services.send_version(version_id=versions[0], now=now)
            self.tokens["sign"] = address.rpartition("/")[2]
            form = services.import_order_form(
                version_id=versions[2], signed_at=now, signer_name="Ann", signer_email="a@b.co"
            )
            renewal = ContractRenewal.objects.get_or_create(
                order_form_id=form.id,
                defaults={"ends_on": "2028-01-01", "decide_by": "2027-11-01", "months": 12},
            )[0]
            self.tokens["renewal"] = make_token()
            RenewalNotice.objects.create(
                renewal=renewal,
                kind="first",
                sent_to="a@b.co",
                token_sha256=hashlib.sha256(self.tokens["renewal"].encode()).hexdigest(),
                sent_at=now,
            )
            SignatureRequest.objects.create(version_id=versions[0], label="Q", state="sent")

    def _elsewhere(self) -> None:
        """What vendors, workers and people leave behind."""
        now = timezone.now()
        used = [UsageEvent("gateway", "e1", "api", "acme", now, {"calls": Decimal(5)})]
        record_usage_events(used, now=now)
        self.usage_events = [event.id for event in list_events()]
        SavedView.objects.create(page="invoices", name="Mine", owner_id=self.owner.pk)
        mail = queue_mail(dedupe_key="x", to="a@b.co", subject="Hello", text="Hello", now=now)
        type(mail).objects.filter(id=mail.id).update(status="failed")
        event = Event.objects.all()[0]
        EventDelivery.objects.get_or_create(event=event, handler="billing.follow")
        Push.objects.create(provider="xero", kind="invoice", subject_ref="invoice/x", label="X")
        invoice = Invoice.objects.filter(status="issued")[0]
        self.tokens["pay"] = links.token_of(self.tenant.id, invoice.id)
        OnlinePayment.objects.create(
            kind="payment", external_id="pi_1", state="succeeded", invoice=invoice,
            currency="USD", amount=5,
        )  # fmt: skip

    def _files(self) -> None:
        client = self.clients["owner"]
        usage = b"event_id,account,at,kind,n\ne1,acme,2026-10-01T10:00:00Z,api,5\n"
        sent = client.post(
            "/usage/import", {"file": SimpleUploadedFile("u.csv", usage), "source": "app"}
        )
        self.uploads.append(sent["Location"].rpartition("/")[2])
        accounts = SimpleUploadedFile("a.csv", b"Account ID,Account Name\n001,Acme\n")
        for _ in range(2):
            sent = client.post("/crm/", {"kind": "accounts", "source": "x", "file": accounts})
            accounts = SimpleUploadedFile("a.csv", b"Account ID,Account Name\n002,Borg\n")
        page = client.get(sent["Location"])
        mapping = {k: v for k, v in page.context["form"].data.items() if k != "action"}
        client.post(sent["Location"], {**mapping, "action": "start"})


def _catalog(api: Api) -> tuple[Any, Any]:
    """The two prices ``good_calls`` sells, as the fixtures of the API's tests make them."""
    product = api.made("products", {"code": "platform", "name": "Platform", "kind": "fixed"})
    price = {"product": product["id"], "code": "platform-usd", "name": "Platform"}
    price |= {"currency": "USD", "frequency": "monthly", "model": PLATFORM}
    platform = api.made("prices", price)
    meter = {"key": "calls", "name": "API calls", "event_type": "api"}
    meter |= {"aggregation": "sum", "value_property": "calls"}
    meter_id = api.made("meters", meter)["id"]
    product = api.made("products", {"code": "calls", "name": "API calls", "kind": "usage"})
    price = {"product": product["id"], "code": "calls-usd", "name": "API calls", "meter": meter_id}
    price |= {"currency": "USD", "frequency": "monthly", "model": CALLS}
    return platform, api.made("prices", price)


def pages() -> Iterator[tuple[str, Any]]:
    """Every page of the product: its name, and what its address is made of."""
    yield from _patterns(get_resolver(), "", "")


def _patterns(resolver: Any, prefix: str, space: str) -> Iterator[tuple[str, Any]]:
    for pattern in resolver.url_patterns:
        address = f"{prefix}{pattern.pattern}"
        if address.startswith(NOT_PAGES):
            continue
        if isinstance(pattern, URLPattern):
            yield f"{space}{pattern.name}" if pattern.name else address, pattern
        else:
            inner = f"{space}{pattern.namespace}:" if pattern.namespace else space
            yield from _patterns(pattern, address, inner)


class Addresses:
    """The addresses of one company's pages, with ids it has."""

    def __init__(self, company: Company, most: int = 2) -> None:
        self.company, self.most = company, most

    def of(self, name: str, pattern: Any) -> list[str]:
        if not pattern.name:
            return ["/usage/meters/"]
        names = list(pattern.pattern.converters)
        if not names:
            return [reverse(name)]
        return [reverse(name, kwargs=found) for found in self._found(name, names)]

    def _found(self, name: str, names: list[str]) -> list[dict[str, Any]]:
        space, _, page = name.rpartition(":")
        if "token" in names:
            key = "renewal" if page == "renewal" else "pay" if page == "pay" else "sign"
            return [{"token": self.company.tokens[key]}]
        if name == "settings:api-key-revoke":
            return [{"prefix": one} for one in self._keys()]
        if name == "metering:import-map":
            return [{"upload_id": one} for one in self.company.uploads]
        if name in ("metering:event", "billing:event-lines"):
            return [{"event_id": one} for one in self.company.usage_events]
        rest: dict[str, list[Any]] = {
            "kind": ["accounts"] if space == "crm" else ["csv"] if page.endswith("-export")
            else ["invoice"] if page.startswith("mail-") else ["order-form"],
            "number": [1],
            "month": [date(2026, 1, 1)],
        }  # fmt: skip
        if set(names) <= set(rest):
            return [{one: rest[one][0] for one in names}]
        last = [one for one in names if one.endswith("_id")][-1]
        label = MODELS.get(name) or MODELS.get(f"{space}:{last}") or MODELS[last]
        rows = apps.get_model(label)._default_manager.all()
        if label == "users.Membership":
            rows = rows.filter(tenant=self.company.tenant)
        found = []
        for row in [*rows.order_by("pk")[: self.most], *rows.order_by("-pk")[: self.most]]:
            values: dict[str, Any] = {last: row.pk}
            for one in names:
                if one.endswith("_id") and one != last:
                    above = getattr(row, one, None)
                    if above is None:
                        above = row.version.quote_id
                    values[one] = above
                elif one in rest:
                    values[one] = rest[one][0]
            if values not in found:
                found.append(values)
        return found

    def _keys(self) -> list[str]:
        return list(
            ApiKey.objects.filter(tenant=self.company.tenant).values_list("prefix", flat=True)
        )
